"""Common steps of tests: declare, consume, publish and wait."""

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
    """Process events of connections while the block lasts; raise their errors at its end."""
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
    """Call or await ``look`` until its result is true, and return that."""

    async def seen() -> Any:
        sight = look()
        return await sight if isinstance(sight, Awaitable) else sight

    return await AsyncRetrying(**patience(awaited))(seen)


async def cycles_until(
    connection: mooq.Connection, condition: Callable[[], bool], awaited: str
) -> None:
    """Process events cycle by cycle until a condition holds.

    One cycle delivers messages published before it. Other deliveries, such as of a requeued
    message, may take a busy RabbitMQ longer than the 0.1 s of a cycle.
    """
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            while not condition():
                await connection.process_events(num_cycles=1)
    except TimeoutError:
        raise AssertionError(f"waited {LONGEST_WAIT:g} s of cycles for {awaited}") from None


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages that mooq has logged."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("mooq")]


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    """Check that every task begun in the block ends soon after it."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=LONGEST_WAIT)
    assert not left, left


async def drained(channel: mooq.Channel, queue_name: str) -> list[mooq.IncomingMessage]:
    """Get every ready message of a queue."""
    messages = []
    while True:
        try:
            messages.append(await channel.get(queue_name))
        except mooq.NothingToConsume:
            return messages


async def bodies_of(channel: mooq.Channel, queue_name: str) -> list[Any]:
    """Get every ready message of a queue; return the bodies."""
    return [message["msg"] for message in await drained(channel, queue_name)]


async def make_queue(
    connection: mooq.Connection,
    queue_name: str,
    routing_keys: str | list[str] = "",
    *,
    exchange_name: str = "log",
    exchange_type: str = "direct",
) -> None:
    """Declare and bind a durable queue without a consumer."""
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
    """Register a callback for queue "q", bound to exchange "log"; return the callback."""
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
    """Publish messages one by one, each after the previous one is confirmed."""
    for body in bodies:
        await channel.publish(exchange_name=exchange_name, msg=body)


@retry(
    retry=retry_if_exception_type(mooq.PublishUnconfirmed),
    stop=stop_after_delay(LONGEST_WAIT),
    reraise=True,
)
async def publish_surely(channel: mooq.Channel, **arguments: Any) -> None:
    """Publish; repeat if the message was sent before a lost connection was noticed."""
    await channel.publish(**arguments)


def unreachable(broker: str, host: str, port: int, **_: str) -> str:
    """Return the error text of connecting where no broker runs."""
    address = Address(host, port)
    if broker == "in_memory":
        return str(mooq.BrokerConnectionError.no_broker_in_memory(address))
    return str(mooq.BrokerConnectionError.nothing_listens(address))
