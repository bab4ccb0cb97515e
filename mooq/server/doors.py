"""A port of an in-memory broker that other threads may use as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from mooq.server.listening import Listener, ListenerThread

if TYPE_CHECKING:
    from mooq.amqp.sightings import ByteTap
    from mooq.broker.broker import Broker


class Door:
    """A port that AMQP clients may connect to as soon as this is made. Raises ``OSError``.

    ``held`` lets one thread at a time use the broker; ``new_tap`` returns what looks on a client.
    """

    def __init__(
        self,
        broker: Broker,
        held: Callable[[], AbstractContextManager[object]],
        host: str,
        port: int,
        *,
        in_thread: bool,
        new_tap: Callable[[], ByteTap] | None = None,
    ) -> None:
        self.host = host
        self._listener = Listener(broker, host=host, port=port, held=held, new_tap=new_tap)
        self._listener.bind()
        self.port: int = self._listener.port
        self._thread: ListenerThread | None = None
        self._starting: asyncio.Task[None] | None = None
        if in_thread:
            self._thread = ListenerThread(self._listener)
            self._thread.start()
            self.loop: asyncio.AbstractEventLoop = self._thread.loop
        else:
            self.loop = asyncio.get_running_loop()
            self._starting = self.loop.create_task(self._listener.start())

    async def read_all(self) -> None:
        """Return when all that clients had sent has been dealt with. For the loop that listens."""
        if self._starting is not None:
            await self._starting
        await self._listener.read_all()

    def close(self) -> None:
        """Close it; for one in a thread."""
        assert self._thread is not None
        self._thread.close()

    async def aclose(self) -> None:
        """Close it."""
        if self._thread is not None:
            await asyncio.to_thread(self._thread.close)
        elif self._starting is not None:
            await self._starting
            await self._listener.close()
