"""Event loops in other threads, as applications may have them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Elsewhere:
    """The event loop of another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the other loop and return its result."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """Run an event loop in another thread while the block lasts, as Starlette's TestClient does."""
    begun = Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def until_told() -> None:
        told = asyncio.Event()
        loops.append((asyncio.get_running_loop(), told))
        begun.set()
        await told.wait()

    thread = Thread(target=lambda: asyncio.run(until_told()))
    thread.start()
    begun.wait()
    loop, told = loops[0]
    try:
        yield Elsewhere(loop)
    finally:
        loop.call_soon_threadsafe(told.set)
        thread.join()
