"""Compatibility with mooq 0.1.1: calls of its README, tutorial and tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest

import mooq
from mooq.testing.broker import Broker

Connect = Callable[[], Awaitable[mooq.Connection]]


@pytest.fixture
def connect(mooq_broker: Broker) -> Connect:
    """``mooq.connect`` with the arguments of 2017 and the test's own virtual host."""
    of_this_test = mooq_broker.arguments

    async def connect() -> mooq.Connection:
        return await mooq.connect(
            host=of_this_test["host"],
            port=of_this_test["port"],
            broker=of_this_test["broker"],
            virtual_host=of_this_test["virtual_host"],
        )

    return connect


async def test_readme_example_of_2017_works(connect: Connect) -> None:
    heard = asyncio.Queue[str]()
    conn = await connect()
    chan = await conn.create_channel()
    await chan.register_producer(exchange_name="log", exchange_type="direct")

    async def yell_it(resp: Any) -> None:
        heard.put_nowait(resp["msg"].upper())

    await chan.register_consumer(
        exchange_name="log",
        exchange_type="direct",
        routing_keys=["greetings", "goodbyes"],
        callback=yell_it,
    )
    await chan.publish(exchange_name="log", msg="Hello World!", routing_key="greetings")
    loop = asyncio.get_event_loop()
    processing = loop.create_task(conn.process_events())

    assert await heard.get() == "HELLO WORLD!"
    await conn.close()
    await processing


async def test_tutorial_example_of_2017_works(connect: Connect) -> None:
    heard = asyncio.Queue[str]()

    async def yell_it(resp: Any) -> None:
        heard.put_nowait(resp["msg"].upper())

    async def loud(loop: asyncio.AbstractEventLoop) -> mooq.Connection:
        conn = await connect()
        chan = await conn.create_channel()
        await chan.register_consumer(
            exchange_name="in2com_log",
            exchange_type="direct",
            routing_keys=["greetings", "goodbyes"],
            callback=yell_it,
        )
        tasks.append(loop.create_task(conn.process_events()))
        return conn

    async def hello() -> mooq.Connection:
        conn = await connect()
        chan = await conn.create_channel()
        await chan.register_producer(exchange_name="in2com_log", exchange_type="direct")
        await chan.publish(exchange_name="in2com_log", msg="Hello World!", routing_key="greetings")
        return conn

    tasks: list[asyncio.Task[None]] = []
    services = [await loud(asyncio.get_running_loop()), await hello()]

    assert await heard.get() == "HELLO WORLD!"
    for conn in services:
        await conn.close()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("exchange_type", "keys", "key"),
    [
        ("direct", ["fake_routing_key", "fake_routing_key2"], "fake_routing_key2"),
        ("topic", ["ball.*", "*.red"], "ball.yellow"),
        ("topic", ["*.*"], "absolutely.everything"),
        ("topic", ["*.*", "ball.red"], "ball.red"),
        ("fanout", "", ""),
        ("fanout", [""], ""),
    ],
)
@pytest.mark.parametrize("queue_name", ["fake_consumer_queue", None])
async def test_consumer_receives_messages_for_its_bindings(
    connect: Connect, exchange_type: str, keys: str | list[str], key: str, queue_name: str | None
) -> None:
    callback = AsyncMock()
    async with await connect() as conn:
        chan = await conn.create_channel()
        await chan.register_producer(exchange_name="fake_exch", exchange_type=exchange_type)
        await chan.register_consumer(
            queue_name=queue_name,
            exchange_name="fake_exch",
            exchange_type=exchange_type,
            routing_keys=keys,
            callback=callback,
        )

        await chan.publish(exchange_name="fake_exch", msg="fake_msg", routing_key=key)
        await conn.process_events(num_cycles=2)

    assert [call.args[0]["msg"] for call in callback.await_args_list] == ["fake_msg"]


async def test_register_with_other_type_raises_bad_exchange(connect: Connect) -> None:
    async with await connect() as conn:
        chan = await conn.create_channel()
        await chan.register_producer(exchange_name="fake_exch", exchange_type="direct")

        with pytest.raises(mooq.BadExchange):
            await chan.register_producer(exchange_name="fake_exch", exchange_type="fanout")
        with pytest.raises(mooq.BadExchange):
            await chan.register_consumer(
                "fake_consumer_queue",
                ["fake_routing_key"],
                exchange_name="fake_exch",
                exchange_type="fanout",
                callback=AsyncMock(),
            )
        with pytest.raises(mooq.BadExchange):
            await chan.publish(exchange_name="other", msg="fake_msg", routing_key="key")


async def test_in_memory_broker_can_run_as_a_task() -> None:
    broker = mooq.InMemoryBroker(host="localhost", port=1234)
    running = asyncio.get_running_loop().create_task(broker.run())
    await asyncio.sleep(0)  # the tests of 2017 waited like this for the task to begin

    conn = await mooq.connect(host="localhost", port=1234, broker="in_memory")

    assert conn.get_broker(host="localhost", port=1234) is broker
    await broker.close()
    await running
