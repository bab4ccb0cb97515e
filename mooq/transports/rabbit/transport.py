"""One connection of mooq's to a RabbitMQ."""

from __future__ import annotations

from mooq.address import Address
from mooq.transports.base import Transport
from mooq.transports.rabbit.channel import RabbitChannel
from mooq.transports.rabbit.wires import Wires


class RabbitTransport(Transport):
    """One connection to a RabbitMQ."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._wires = Wires(address, self._lost)

    def _lost(self) -> None:
        self.on_lost()

    @property
    def is_lost(self) -> bool:
        return self._wires.is_lost

    async def open(self, timeout: float) -> None:
        await self._wires.open(timeout)

    def channel(self) -> RabbitChannel:
        return RabbitChannel(self.address, self._wires, self._lost)

    async def close(self) -> None:
        await self._wires.close()
