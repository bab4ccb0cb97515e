"""The transport of a mooq connection to RabbitMQ."""

from __future__ import annotations

from mooq.basics.address import Address
from mooq.errors import Refused
from mooq.transports.failover import NodesTransport
from mooq.transports.options import DEFAULT_OPTIONS, ConnectionOptions
from mooq.transports.rabbit.channel import RabbitChannel
from mooq.transports.rabbit.connection_pair import ConnectionPair


class RabbitTransport(NodesTransport):
    """A connection to RabbitMQ."""

    def __init__(self, *nodes: Address, options: ConnectionOptions = DEFAULT_OPTIONS) -> None:
        super().__init__(*nodes)
        self._pair = ConnectionPair(self._lost, options)

    def _lost(self) -> None:
        self.on_lost()

    @property
    def is_lost(self) -> bool:
        return self._pair.is_lost

    @property
    def channel_max(self) -> int:
        return self._pair.channel_max

    async def _open(self, timeout: float) -> None:
        await self._pair.open(self.address, timeout)

    def channel(self) -> RabbitChannel:
        return RabbitChannel(self, self._pair, self._lost)

    async def has_booted(self) -> bool:
        """Return whether the node has finished booting, and not only opened its listeners.

        For some tenths of a second between the two, RabbitMQ considers its queues dead. It refuses
        to delete an empty queue as "not empty", and deletes others without notifying their
        consumers (seen on 4.0 and 4.3). Raises :class:`Lost`, and :class:`Refused` for a user who
        may not declare.
        """
        queue = await self._pair.control(lambda amqp: amqp.queue_declare(exclusive=True))
        try:
            await self._pair.control(
                lambda amqp: amqp.queue_delete(str(queue.queue), if_empty=True)
            )
        except Refused as refused:
            if refused.code != Refused.PRECONDITION_FAILED:
                raise
            return False
        return True

    def abandon(self) -> None:
        self._pair.abandon()

    async def close(self) -> None:
        await self._pair.close()
