"""One connection of mooq's to a RabbitMQ."""

from __future__ import annotations

from mooq.address import Address
from mooq.transports.nodes import NodesTransport
from mooq.transports.rabbit.channel import RabbitChannel
from mooq.transports.rabbit.wires import Wires


class RabbitTransport(NodesTransport):
    """One connection to a RabbitMQ."""

    def __init__(self, *nodes: Address) -> None:
        super().__init__(*nodes)
        self._wires = Wires(self._lost)

    def _lost(self) -> None:
        self.on_lost()

    @property
    def is_lost(self) -> bool:
        return self._wires.is_lost

    async def _open(self, timeout: float) -> None:
        await self._wires.open(self.address, timeout)

    def channel(self) -> RabbitChannel:
        return RabbitChannel(self, self._wires, self._lost)

    async def close(self) -> None:
        await self._wires.close()
