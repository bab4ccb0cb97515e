"""When a broker is idle: nothing is under way, and nothing will happen unless somebody begins it.

Decided by what RabbitMQ guarantees, never by a clock: a channel is answered in order, so with the
answer to a flush everything sent to it before has arrived; and a queue is one process, so it
counts its messages after it has dealt with what it was sent before, has handed on what it could
and has dead-lettered what was rejected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

from mooq.errors import Lost, MooqError
from mooq.testing.watch import Watch


class NotIdle(MooqError, TimeoutError):
    """Something was still under way at the deadline."""


async def wait_until_idle(watch: Watch, timeout: float) -> None:
    """Return when every publish is confirmed and everything deliverable has been dealt with.

    Callbacks are started for what arrives, whether the connection processes events or not.
    Raises :class:`NotIdle`, saying what was last seen, after ``timeout`` seconds, and
    ``RuntimeError`` when called by a callback, which would wait for itself.
    """
    if asyncio.current_task() in watch.callbacks:
        raise RuntimeError("idle() was called by a callback: it would wait for itself")
    held: dict[str, int] = {}
    try:
        async with asyncio.timeout(timeout):
            while True:
                await _quiet(watch)
                before = watch.happened
                held = await deliver_all(watch)
                if watch.happened == before and not held:
                    return
    except TimeoutError as error:
        raise NotIdle(
            f"waited {timeout:g} s for the broker to be idle; last seen: {_seen(watch, held)}"
        ) from error


async def deliver_all(watch: Watch) -> dict[str, int]:
    """Return when all that can be delivered has arrived; how much waits in consumed queues."""
    await _each(channel.flush() for channel in watch.channels)
    held: dict[str, int] = {}
    # Twice: what the first question made a queue hand on, or dead-letter, another may have now.
    for _ in range(2):
        for channel in watch.channels:
            for queue_name in channel.consumed:
                await _each([_count(channel.count_ready(queue_name), queue_name, held)])
    await _each(channel.flush() for channel in watch.channels)
    return {name: count for name, count in held.items() if count}


async def _quiet(watch: Watch) -> None:
    """Return when no publish waits for its confirm, and no delivery for its callback."""
    while True:
        for dispatcher in watch.dispatchers:
            dispatcher.start_all()
        under_way: list[asyncio.Future[Any]] = [*watch.publishing, *watch.callbacks]
        if not under_way:
            return
        watch.something.clear()
        something = asyncio.ensure_future(watch.something.wait())
        try:
            await asyncio.wait([*under_way, something], return_when=asyncio.FIRST_COMPLETED)
        finally:
            something.cancel()


async def _count(ready: Awaitable[int | None], queue_name: str, held: dict[str, int]) -> None:
    held[queue_name] = await ready or 0


async def _each(questions: Iterable[Awaitable[None]]) -> None:
    """Ask one after the other; a lost connection has nothing more to say."""
    for question in questions:
        try:
            await question
        except Lost:
            continue


def _seen(watch: Watch, held: dict[str, int]) -> str:
    seen = [
        f"{len(watch.publishing)} messages not confirmed" if watch.publishing else "",
        f"{len(watch.callbacks)} callbacks not done: "
        + ", ".join(task.get_name() for task in watch.callbacks)
        if watch.callbacks
        else "",
        *(f"{count} messages ready in queue {name!r}" for name, count in held.items()),
    ]
    return "; ".join(filter(None, seen)) or f"{watch.happened} events, and ever more"
