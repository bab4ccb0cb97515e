"""An event that is set in one thread and awaited in other threads' event loops."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from threading import Lock


class SharedEvent:
    """Like ``asyncio.Event``, for several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_set = False
        self._waiting: list[Future[None]] = []

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake everything that waits."""
        with self._lock:
            self._is_set = True
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    def clear(self) -> None:
        """Clear it."""
        self._is_set = False

    async def wait(self) -> None:
        """Return when it is set."""
        with self._lock:
            if self._is_set:
                return
            future: Future[None] = Future()
            self._waiting.append(future)
        await asyncio.wrap_future(future)
