"""A listener for an in-memory broker that other threads may use as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from mooq.server.listener import Listener, ListenerThread

if TYPE_CHECKING:
    from mooq.amqp.inspection import ByteTap
    from mooq.broker.broker import Broker


class SharedListener:
    """A listener that AMQP clients can connect to once it is created. Raises ``OSError``.

    ``locked`` lets one thread at a time use the broker. ``new_tap`` returns an observer for each
    connection.
    """

    def __init__(
        self,
        broker: Broker,
        locked: Callable[[], AbstractContextManager[object]],
        host: str,
        port: int,
        *,
        in_thread: bool,
        new_tap: Callable[[], ByteTap] | None = None,
    ) -> None:
        self.host = host
        self._listener = Listener(broker, host=host, port=port, locked=locked, new_tap=new_tap)
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
        """Return when everything that clients sent has been handled. Call it in ``loop``."""
        if self._starting is not None:
            await self._starting
        await self._listener.read_all()

    def close(self) -> None:
        """Close a listener that runs in a thread."""
        assert self._thread is not None
        self._thread.close()

    async def aclose(self) -> None:
        """Close the listener."""
        if self._thread is not None:
            await asyncio.to_thread(self._thread.close)
        elif self._starting is not None:
            await self._starting
            await self._listener.close()
