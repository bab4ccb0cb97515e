"""Steps that many tests take on both brokers: declare, consume, publish, and wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from tenacity import (
    AsyncRetrying,
    retry,
    retry_if_exception_type,
    stop_after_delay,
)

import mooq
from mooq.basics.address import Address
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.waiting import patience

AnyCallback = TypeVar("AnyCallback", bound=Callable[[mooq.IncomingMessage], Awaitable[object]])


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

    return await AsyncRetrying(**patience(awaited))(seen)


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


async def consume(
    channel: mooq.Channel, callback: AnyCallback, *, prefetch_count: int = 100
) -> AnyCallback:
    """Let a callback consume queue "q", bound to exchange "log"; return it."""
    await channel.register_consumer(
        "q",
        exchange_name="log",
        exchange_type="direct",
        callback=callback,
        prefetch_count=prefetch_count,
    )
    return callback


async def publish_each(
    channel: mooq.Channel, bodies: Iterable[Any], *, exchange_name: str = "log"
) -> None:
    """Publish one message after the other, each when the one before it is confirmed."""
    for body in bodies:
        await channel.publish(exchange_name=exchange_name, msg=body)


@retry(
    retry=retry_if_exception_type(mooq.PublishUnconfirmed),
    stop=stop_after_delay(LONGEST_WAIT),
    reraise=True,
)
async def publish_surely(channel: mooq.Channel, **arguments: Any) -> None:
    """Publish once more what was sent to a connection that was gone, and not yet known to be."""
    await channel.publish(**arguments)


def unreachable(broker: str, host: str, port: int, **_: str) -> str:
    """Return what connecting says where no broker runs."""
    address = Address(host, port)
    if broker == "in_memory":
        return str(mooq.BrokerConnectionError.no_broker_in_memory(address))
    return str(mooq.BrokerConnectionError.nothing_listens(address))
