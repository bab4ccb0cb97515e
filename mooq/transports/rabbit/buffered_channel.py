"""An AMQP channel that writes once per iteration of the event loop.

aiormq writes each frame separately, through a queue and a system call. With hundreds of messages in
flight, this is most of a message's cost.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Self

from aiormq.abc import AbstractConnection, ChannelFrame
from aiormq.channel import Channel
from pamqp import frame
from pamqp.base import Frame

from mooq.errors import Refused


class BufferedChannel(Channel):
    """An aiormq channel. Call :meth:`write_out` before making a request on it."""

    has_confirms: ClassVar[bool]

    def __init__(self, connection: AbstractConnection, number: int) -> None:
        super().__init__(connection, number, publisher_confirms=self.has_confirms)
        self._unwritten: list[bytes] = []
        self._is_scheduled = False
        self._writing: asyncio.Future[None] | None = None
        self.closing.add_done_callback(self._closed)

    @classmethod
    async def on(cls, connection: AbstractConnection) -> Self:
        """Open and return a new channel of a connection."""
        most = connection.connection_tune.channel_max
        free = (number for number in range(1, most + 1) if number not in connection.channels)
        if not (number := next(free, 0)):  # RabbitMQ would close the connection
            raise Refused(
                Refused.NOT_ALLOWED,
                f"NOT_ALLOWED - number of channels opened ({most}) has reached the negotiated "
                f"channel_max ({most})",
            )
        channel = connection.channels[number] = cls(connection, number)
        await channel.open()
        return channel

    def write_out(self) -> None:
        """Write everything pending to the connection at once."""
        self._is_scheduled = False
        if self._unwritten and self._writing is None:
            payload = ChannelFrame(payload=b"".join(self._unwritten), should_close=False)
            self._unwritten.clear()
            try:
                self.write_queue.put_nowait(payload)
            except asyncio.QueueFull:
                self._writing = asyncio.ensure_future(self.write_queue.put(payload))
                self._writing.add_done_callback(self._written)

    def _write_soon(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self.loop.call_soon(self.write_out)

    def _marshal(self, method: Frame) -> bytes:
        return frame.marshal(method, self.number)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if not writing.cancelled():
            self.write_out()

    def _closed(self, closing: asyncio.Future[None]) -> None:
        if self._writing is not None:
            self._writing.cancel()
