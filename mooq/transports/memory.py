"""The asyncio shell around the in-memory broker: addresses to connect to, and nothing to wait for.

Its broker decides everything in the call itself, so no verb here has anything to wait for, and a
cancelled caller cannot leave one half done. Publishing lets others have a turn now and then, as a
network would: a service that publishes in a loop must not starve its own consumers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mooq.address import Address
from mooq.errors import BrokerConnectionError, Lost, Refused
from mooq.memory_broker.broker import Broker, Channel, Connection
from mooq.message import Delivery, Message, Outcome
from mooq.topology import Exchange, Queue
from mooq.transports.base import Receiver, Transport, TransportChannel
from mooq.transports.nodes import NodesTransport

PUBLISHES_A_TURN = 32

listening: dict[str, Broker] = {}
"""The in-memory brokers that run, by the name of their address."""

ways: dict[str, Callable[..., Transport]] = {}
"""Ways to nodes that are not the straight one, by the names of the addresses that lead there."""


class MemoryTransport(NodesTransport):
    """One connection to the in-memory broker that listens at an address of this process."""

    def __init__(self, *nodes: Address) -> None:
        super().__init__(*nodes)
        self._connection: Connection | None = None

    @property
    def is_lost(self) -> bool:
        return self._connection is None or not self._connection.is_open

    async def _open(self, timeout: float) -> None:
        address = self.address
        broker = listening.get(address.name)
        if broker is None:
            raise BrokerConnectionError.no_broker_in_memory(address)
        try:
            self._connection = broker.connect(
                address.virtual_host, address.username, address.password, self._dropped
            )
        except Refused as refused:
            if refused.code == Refused.ACCESS_REFUSED:
                raise BrokerConnectionError.login_refused(address) from refused
            raise BrokerConnectionError.no_virtual_host(address) from refused

    def _dropped(self) -> None:
        self.on_lost()

    def drop(self) -> None:
        """End the connection without a word, as a broken network does."""
        if self._connection is not None and self._connection.is_open:
            self._connection.close()
            self._dropped()

    def open_channel(self) -> Channel:
        """Return a new channel of the broker's."""
        if self._connection is None or not self._connection.is_open:
            raise Lost("the connection is closed")
        return self._connection.channel()

    def channel(self) -> MemoryChannel:
        return MemoryChannel(self, self.open_channel)

    async def close(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.close()


class MemoryChannel(TransportChannel):
    """The verbs of one channel, each a plain call to the broker."""

    def __init__(self, transport: MemoryTransport, open_channel: Callable[[], Channel]) -> None:
        super().__init__(transport)
        self._open_channel = open_channel
        self._channel: Channel | None = None
        self._published = 0

    @property
    def is_lost(self) -> bool:
        return self._channel is not None and not self._channel.is_open

    @property
    def _live(self) -> Channel:
        channel = self._channel
        if channel is None or not channel.is_open:
            raise Lost("the connection is closed")
        return channel

    async def open(self) -> None:
        self._channel = self._open_channel()

    async def close(self) -> None:
        if self._channel is not None:
            self._channel.close()

    async def declare_exchange(self, exchange: Exchange) -> None:
        self._live.declare_exchange(exchange)

    async def has_exchange(self, exchange_name: str) -> bool:
        return self._live.has_exchange(exchange_name)

    async def declare_queue(self, queue: Queue) -> str:
        return self._live.declare_queue(queue)

    async def delete_queue(self, queue_name: str) -> None:
        self._live.delete_queue(queue_name)

    async def count_ready(self, queue_name: str) -> int | None:
        return self._live.count_ready(queue_name)

    async def bind(self, queue_name: str, exchange_name: str, routing_key: str) -> None:
        self._live.bind(queue_name, exchange_name, routing_key)

    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        self._live.publish(message, mandatory)
        self._published += 1
        if self._published % PUBLISHES_A_TURN == 0:
            await asyncio.sleep(0)

    async def consume(self, queue_name: str, prefetch_count: int, receiver: Receiver) -> str:
        return self._live.consume(queue_name, prefetch_count, *receiver)

    async def cancel(self, consumer_tag: str) -> None:
        self._live.cancel(consumer_tag)

    async def get(self, queue_name: str) -> Delivery | None:
        return self._live.get(queue_name)

    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        channel = self._channel
        if channel is not None and channel.is_open:
            channel.settle(delivery.receipt, outcome)

    async def flush(self) -> None:
        """Return at once: deliveries arrive in the call that causes them."""
