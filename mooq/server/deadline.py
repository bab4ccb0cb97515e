"""A timer for the next deadline of a broker or a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class DeadlineTimer:
    """Calls ``on_time`` at the deadline that was set last, in the event loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_time: Callable[[], None]) -> None:
        self._loop = loop
        self._on_time = on_time
        self._handle: asyncio.TimerHandle | None = None

    def set(self, deadline: float | None) -> None:
        """Set the deadline; None for none. A call may come early; the deadline is then set anew."""
        handle = self._handle
        if handle is not None:
            if deadline is not None and handle.when() <= deadline:
                return
            handle.cancel()
            self._handle = None
        if deadline is not None:
            self._handle = self._loop.call_at(deadline, self._fire)

    def cancel(self) -> None:
        """Call nothing any more."""
        self.set(None)

    def _fire(self) -> None:
        self._handle = None
        self._on_time()
