"""Waiting until a broker is idle: nothing is in progress, and nothing more will happen by itself.

This relies on RabbitMQ's guarantees, never on a clock. A channel is answered in order, so when a
flush is answered, everything sent to the channel before it has arrived. A queue is a single
process, so when it answers a get, it has handled what it was sent before, delivered what it could,
and dead-lettered what was rejected.

A connection is asked in its own event loop, which may be in another thread, for example when the
code under test runs in Starlette's TestClient.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from mooq.basics.wording import counted, in_seconds
from mooq.errors import Lost, MooqError
from mooq.testing.clients.activity import ClientActivity
from mooq.testing.clients.endpoint import Endpoint
from mooq.testing.observed_transport import ObservedChannel
from mooq.testing.observer import ConnectionObserver
from mooq.transports.event_loops import in_loop

T = TypeVar("T")


class NotIdle(MooqError, TimeoutError):
    """The broker was still not idle at the deadline."""


async def wait_until_idle(observer: ConnectionObserver, clients: Endpoint, timeout: float) -> None:
    """Return when every publish is confirmed and everything deliverable is handled.

    Callbacks are started for what arrives, even if the connection does not process events. Raises
    :class:`NotIdle` after ``timeout`` seconds, with the last observed state. Raises
    ``RuntimeError`` if a callback calls it, because it would wait for itself, and for a connection
    whose event loop is not running.
    """
    if asyncio.current_task() in observer.callbacks:
        raise RuntimeError(
            "idle() was called by a callback and would wait for itself; call it in the test"
        )
    held: dict[str, int] = {}
    observer.asked = ""  # left by an earlier wait that gave up
    try:
        async with asyncio.timeout(timeout):
            while True:
                await _quiet(observer)
                await clients.quiet()
                before = observer.happened
                held = await deliver_all(observer)
                waiting = await clients.waiting()
                if observer.happened != before:
                    continue
                held |= waiting
                if not (held or observer.is_busy or clients.activity.is_busy):
                    return
                if waiting:  # they are about to be delivered
                    await clients.change(before)
    except TimeoutError as error:
        raise NotIdle(
            f"waited {in_seconds(timeout)} for the broker to be idle; last seen: "
            f"{_seen(observer, clients.activity, held)}"
        ) from error


async def deliver_all(observer: ConnectionObserver) -> dict[str, int]:
    """Return when everything deliverable has arrived; return how much waits in queues."""
    while True:
        before = observer.happened
        held = await _look(observer)
        if observer.happened == before:
            return held


async def _look(observer: ConnectionObserver) -> dict[str, int]:
    """Ask every consumed queue what is waiting, until something happens."""
    before = observer.happened
    held: dict[str, int] = {}
    await _flush(observer)
    consumed = [(channel, name) for channel in observer.channels for name in channel.consumed]
    # Ask twice: the first request may have made a queue pass messages to another queue.
    for channel, name in consumed * 2:
        with _asking(observer, channel, f"queue {name!r}"):
            held[name] = await _ask(channel, _count_ready(channel, name))
            await _ask(channel, channel.flush())
            if observer.happened != before:
                break
            held[name] = held[name] or int(await _ask(channel, channel.has_ready(name)))
    await _flush(observer)
    return {name: count for name, count in held.items() if count}


async def _flush(observer: ConnectionObserver) -> None:
    for channel in observer.channels:
        with _asking(observer, channel, f"deliveries of {sorted(channel.consumed)}"):
            await _ask(channel, channel.flush())


async def _count_ready(channel: ObservedChannel, queue_name: str) -> int:
    return await channel.count_ready(queue_name) or 0


async def _ask(channel: ObservedChannel, question: Coroutine[Any, Any, T]) -> T:
    return await in_loop(channel.loop, question, f"the connection to {channel.address}")


@contextmanager
def _asking(observer: ConnectionObserver, channel: ObservedChannel, what: str) -> Iterator[None]:
    """Treat a request to a lost connection as answered: nothing more will come from there.

    If RabbitMQ takes too long to answer, it is asked again.
    """
    observer.asked = what
    try:
        yield
    except Lost:
        if channel in observer.channels and not channel.is_lost:
            observer.happen()
    observer.asked = ""


async def _quiet(observer: ConnectionObserver) -> None:
    """Return when no publish waits for its confirm, and no delivery to be settled.

    Event loops are checked one after the other, so the first ones may be busy again at the end.
    """
    for loop in observer.loops:
        with suppress(Lost):
            await in_loop(loop, _quiet_here(observer), "a connection to the broker")


async def _quiet_here(observer: ConnectionObserver) -> None:
    """Return when that is true in the running event loop."""
    loop = asyncio.get_running_loop()
    something = asyncio.Event()
    with observer.telling(something):
        while True:
            something.clear()
            for transport in observer.transports:
                if transport.loop is loop:
                    transport.dispatcher.start_all()
            under_way = [one for one in observer.under_way if one.get_loop() is loop]
            if not under_way and not any(where is loop for where, _ in observer.unsettled):
                return
            happening = asyncio.ensure_future(something.wait())
            try:
                await asyncio.wait([*under_way, happening], return_when=asyncio.FIRST_COMPLETED)
            finally:
                happening.cancel()


def _seen(observer: ConnectionObserver, clients: ClientActivity, held: dict[str, int]) -> str:
    seen = [
        f"{counted(len(observer.publishing), 'message')} not confirmed"
        if observer.publishing
        else "",
        f"{counted(len(observer.callbacks), 'callback')} still running: "
        + ", ".join(task.get_name() for task in observer.callbacks)
        if observer.callbacks
        else "",
        f"no answer yet about {observer.asked}" if observer.asked else "",
        *(
            f"{counted(count, 'message')} of queue {name!r} not settled"
            for name, count in Counter(name for _, name in observer.unsettled).items()
            if not observer.callbacks
        ),
        *clients.seen(),
        *(f"{counted(count, 'message')} ready in queue {name!r}" for name, count in held.items()),
    ]
    return (
        "; ".join(filter(None, seen))
        or f"{counted(observer.happened, 'event')}, and more keep coming"
    )
