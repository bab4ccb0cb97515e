"""Callbacks that keep what they are given, and ways to wait for it: by events, never by a clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import pytest
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

import mooq

LONGEST_WAIT = 60.0  # seconds for what takes milliseconds, unless a machine has much else to do


class Inbox:
    """A callback that keeps the messages it was called with, in order."""

    def __init__(self) -> None:
        self.messages: list[mooq.IncomingMessage] = []
        self._changed = asyncio.Event()

    async def __call__(self, message: mooq.IncomingMessage) -> None:
        self.keep(message)

    def keep(self, message: mooq.IncomingMessage) -> None:
        """Add a message, and wake whoever waits for it."""
        self.messages.append(message)
        self._changed.set()

    @property
    def bodies(self) -> list[Any]:
        """What was published, in the order in which callbacks were started."""
        return [message["msg"] for message in self.messages]

    async def has(self, count: int) -> list[Any]:
        """Wait until there are so many messages, or more; return their bodies."""
        return await self.has_that(lambda: len(self.messages) >= count, f"{count} messages")

    async def has_that(self, condition: Callable[[], bool], what: str) -> list[Any]:
        """Wait until a condition holds; return the bodies. ``what`` is for the error."""
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"waited {LONGEST_WAIT:g} s for {what}; there are {self.bodies!r}"
            ) from None
        return self.bodies


class HeldInbox(Inbox):
    """An inbox whose callbacks do not return until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: list[Any] = []
        self._gates: dict[Any, list[asyncio.Event]] = {}
        self._is_open = False

    async def __call__(self, message: mooq.IncomingMessage) -> None:
        gate = asyncio.Event()
        self._gates.setdefault(message["msg"], []).append(gate)
        self.keep(message)
        if not self._is_open:
            await gate.wait()
        self.finished.append(message["msg"])

    def let_go(self, *bodies: Any) -> None:
        """Let the callbacks of these bodies return."""
        for body in bodies:
            for gate in self._gates[body]:
                gate.set()

    def open(self) -> None:
        """Let every callback return, also those to come."""
        self._is_open = True
        self.let_go(*self._gates)


class Refusal(Exception):
    """What callbacks of these tests raise."""


class FailingInbox(Inbox):
    """An inbox whose callbacks raise for some bodies, so many times each."""

    def __init__(self, *failing: Any, times: int = 2) -> None:
        super().__init__()
        self._left = dict.fromkeys(failing, times)

    async def __call__(self, message: mooq.IncomingMessage) -> None:
        self.keep(message)
        if self._left.get(message["msg"], 0) > 0:
            self._left[message["msg"]] -= 1
            raise Refusal(f"no to {message['msg']}")


@asynccontextmanager
async def processing(*connections: mooq.Connection) -> AsyncIterator[None]:
    """Let connections process events while the block lasts; what that raises is raised."""
    tasks = [asyncio.create_task(connection.process_events()) for connection in connections]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def until(look: Callable[[], Any], awaited: str) -> Any:
    """Return what is seen, or awaited, as soon as it is true; for what no event tells of."""

    async def seen() -> Any:
        sight = look()
        return await sight if isinstance(sight, Awaitable) else sight

    def give_up(attempts: RetryCallState) -> NoReturn:
        assert attempts.outcome is not None
        last = attempts.outcome.result()
        raise AssertionError(f"waited {LONGEST_WAIT:g} s for {awaited}; last seen: {last!r}")

    return await AsyncRetrying(
        retry=retry_if_result(lambda seen: not seen),
        wait=wait_fixed(0.01),
        stop=stop_after_delay(LONGEST_WAIT),
        retry_error_callback=give_up,
    )(seen)


async def cycles_until(
    connection: mooq.Connection, condition: Callable[[], bool], awaited: str
) -> None:
    """Process events, one cycle after the other, until a condition holds.

    One cycle finds what was published before it. For what RabbitMQ sends of its own accord, such
    as a message that was given back, it waits 0.1 s, in which a busy RabbitMQ may not get to it.
    """
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            while not condition():
                await connection.process_events(num_cycles=1)
    except TimeoutError:
        raise AssertionError(f"waited {LONGEST_WAIT:g} s of cycles for {awaited}") from None


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what mooq has logged, and nobody else."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("mooq")]


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    """Check that every task begun in the block ends, soon after it at the latest."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=LONGEST_WAIT)
    assert not left, left


async def drained(channel: mooq.Channel, queue_name: str) -> list[mooq.IncomingMessage]:
    """Take every message that is ready in a queue."""
    messages = []
    while True:
        try:
            messages.append(await channel.get(queue_name))
        except mooq.NothingToConsume:
            return messages


async def bodies_of(channel: mooq.Channel, queue_name: str) -> list[Any]:
    """Take every message that is ready in a queue; return what was published."""
    return [message["msg"] for message in await drained(channel, queue_name)]


async def make_queue(
    connection: mooq.Connection,
    queue_name: str,
    routing_keys: str | list[str] = "",
    *,
    exchange_name: str = "log",
    exchange_type: str = "direct",
) -> None:
    """Declare and bind a durable queue that nobody consumes from."""
    async with await connection.create_channel() as channel:
        await channel.register_consumer(
            queue_name,
            routing_keys,
            exchange_name=exchange_name,
            exchange_type=exchange_type,
            callback=Inbox(),
        )


@retry(
    retry=retry_if_exception_type(mooq.PublishUnconfirmed),
    stop=stop_after_delay(LONGEST_WAIT),
    reraise=True,
)
async def publish_surely(channel: mooq.Channel, **arguments: Any) -> None:
    """Publish once more what was sent to a connection that was gone, and not yet known to be."""
    await channel.publish(**arguments)
