"""InMemoryBroker: running, closing, registration and dropped connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest

import mooq
from mooq.basics.address import Address


@pytest.fixture
async def broker() -> AsyncIterator[mooq.InMemoryBroker]:
    async with mooq.InMemoryBroker(
        host="unit", port=1, users={"ann": "secret"}, virtual_hosts=["/", "tests"]
    ) as broker:
        yield broker


async def connect(**arguments: Any) -> mooq.Connection:
    whole: dict[str, Any] = {"username": "ann", "password": "secret", **arguments}
    return await mooq.connect("unit", 1, "in_memory", **whole)


async def test_connecting_needs_a_running_broker() -> None:
    nothing = str(mooq.BrokerConnectionError.no_broker_in_memory(Address("unit", 1)))
    broker = mooq.InMemoryBroker(host="unit", port=1)
    with pytest.raises(mooq.BrokerConnectionError) as before:
        await connect()
    await broker.run()
    await broker.close()
    with pytest.raises(mooq.BrokerConnectionError) as after:
        await connect()
    assert str(before.value) == str(after.value) == nothing


@pytest.mark.usefixtures("broker")
async def test_broker_has_its_users_and_virtual_hosts() -> None:
    for virtual_host in ("/", "tests"):
        await (await connect(virtual_host=virtual_host)).close()
    with pytest.raises(mooq.BrokerConnectionError, match="refused the login of user 'guest'"):
        await connect(username="guest", password="guest")
    with pytest.raises(mooq.BrokerConnectionError, match="no virtual host 'other'"):
        await connect(virtual_host="other")


async def test_running_broker_is_found_by_its_address() -> None:
    is_running: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    broker = mooq.InMemoryBroker(host="unit", port=1, users={"ann": "secret"})
    await broker.run(is_running)
    assert is_running.result() is None
    assert (broker.name, broker.host, broker.port) == ("unit_1", "unit", 1)
    async with await connect() as connection:
        assert connection.get_broker(host="unit", port=1) is broker
        with pytest.raises(
            mooq.BrokerConnectionError, match=r"no in-memory broker is running at unit:2"
        ):
            connection.get_broker(host="unit", port=2)
    await broker.close()
    with pytest.raises(
        mooq.BrokerConnectionError, match=r"no in-memory broker is running at unit:1"
    ):
        connection.get_broker(host="unit", port=1)


async def test_second_broker_at_an_address_is_refused(
    broker: mooq.InMemoryBroker,
) -> None:
    is_running: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    other = mooq.InMemoryBroker(host="unit", port=1)
    with pytest.raises(mooq.BrokerConnectionError) as raised:
        await other.run(is_running)
    assert str(raised.value) == (
        "another in-memory broker is running at unit:1; close it, or choose another port"
    )
    assert is_running.exception() is raised.value
    await other.close()
    async with await connect() as connection:
        assert connection.get_broker(host="unit", port=1) is broker


async def test_cancelled_is_running_future_is_left_alone() -> None:
    is_running: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    is_running.cancel()
    async with mooq.InMemoryBroker(host="unit", port=1) as broker:
        await broker.run(is_running)
        with pytest.raises(mooq.BrokerConnectionError):
            await mooq.InMemoryBroker(host="unit", port=1).run(is_running)
    assert is_running.cancelled()


async def test_closed_broker_forgets_its_queues(broker: mooq.InMemoryBroker) -> None:
    async with await connect() as connection, await connection.create_channel() as channel:
        await channel.register_consumer(
            "q", exchange_name="e", exchange_type="direct", callback=AsyncMock()
        )
    await broker.close()
    await broker.close()
    await broker.run()
    async with await connect() as connection, await connection.create_channel() as channel:
        with pytest.raises(mooq.ConsumerQueueNotFound):
            await channel.get("q")


async def run_again(broker: mooq.InMemoryBroker) -> None:
    await broker.run()


async def drop_connections(broker: mooq.InMemoryBroker) -> None:
    broker.drop_connections()


@pytest.mark.parametrize("lose", [run_again, drop_connections])
async def test_lost_connections_leave_durable_queues(
    broker: mooq.InMemoryBroker, lose: Callable[[mooq.InMemoryBroker], Awaitable[None]]
) -> None:
    async with await connect() as connection, await connection.create_channel() as channel:
        durable, exclusive = [
            await channel.register_consumer(
                queue_name, exchange_name="e", exchange_type="fanout", callback=AsyncMock()
            )
            for queue_name in ("durable", None)
        ]
        await channel.publish(exchange_name="e", msg=1)
        await lose(broker)
        assert channel.is_lost
        async with await connect() as after, await after.create_channel() as fresh:
            message = await fresh.get(durable)
            assert (message["msg"], message["redelivered"]) == (1, True)
            with pytest.raises(mooq.ConsumerQueueNotFound):
                await fresh.get(exclusive)


def test_drop_connections_before_run_is_allowed() -> None:
    mooq.InMemoryBroker(host="unit", port=1).drop_connections()


async def test_closing_the_broker_ends_connections(broker: mooq.InMemoryBroker) -> None:
    async with await connect() as connection:
        channel = await connection.create_channel()
        await channel.register_producer(exchange_name="e", exchange_type="fanout")
        await broker.close()
        assert channel.is_lost
        with pytest.raises(mooq.BrokerConnectionError, match=r"did not come back within 0\.1 s"):
            await channel.publish(exchange_name="e", msg=1, timeout=0.1)


async def test_process_events_continues_after_restart(
    broker: mooq.InMemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "mooq")
    arrived = asyncio.Event()

    async def callback(message: mooq.IncomingMessage) -> None:
        arrived.set()

    async with await connect() as connection:
        channel = await connection.create_channel()
        await channel.register_consumer(
            exchange_name="e", exchange_type="fanout", callback=callback
        )
        processing = asyncio.ensure_future(connection.process_events())
        await broker.close()
        await broker.run()
        async with asyncio.timeout(60):
            while not arrived.is_set():
                await channel.publish(exchange_name="e", msg=1)
                await asyncio.sleep(0)
    await processing


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"host": "", "port": 1}, ValueError, "host is empty; name a host, such as 'localhost'"),
        ({"host": None, "port": 1}, TypeError, "host must be a str, not NoneType"),
        ({"host": "unit", "port": 0}, ValueError, "port must be between 1 and 65535, not 0"),
        ({"host": "unit", "port": "1"}, TypeError, "port must be an int, not str"),
        (
            {"host": "unit", "port": 1, "channel_max": -1},
            ValueError,
            "channel_max must be between 0 and 65535, not -1",
        ),
        (
            {"host": "unit", "port": 1, "channel_max": True},
            TypeError,
            "channel_max must be an int, not bool",
        ),
        (
            {"host": "unit", "port": 1, "users": {"ann": "secret", "bob": ""}},
            ValueError,
            "users has a wrong entry: password is empty; RabbitMQ requires one",
        ),
        (
            {"host": "unit", "port": 1, "users": {"ann": None}},
            TypeError,
            "users has a wrong entry: password must be a str, not NoneType",
        ),
        (
            {"host": "unit", "port": 1, "virtual_hosts": ["/", ""]},
            ValueError,
            "virtual_host is empty; RabbitMQ's default is '/'",
        ),
    ],
    ids=str,
)
def test_invalid_broker_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as raised:
        mooq.InMemoryBroker(**arguments)
    assert str(raised.value) == text


@pytest.mark.parametrize(("channel_max", "most"), [(1, 0), (2, 1)])
async def test_channel_max_limits_the_channels(channel_max: int, most: int) -> None:
    async with (
        mooq.InMemoryBroker(host="limit", port=1, channel_max=channel_max),
        await mooq.connect("limit", 1, "in_memory") as connection,
    ):
        for _ in range(most):
            await connection.create_channel()
        with pytest.raises(mooq.BrokerConnectionError, match=f"has {most} channels"):
            await connection.create_channel()


async def test_channel_max_of_zero_means_no_limit() -> None:
    async with (
        mooq.InMemoryBroker(host="limit", port=1, channel_max=0),
        await mooq.connect("limit", 1, "in_memory") as connection,
    ):
        for _ in range(2_100):
            await connection.create_channel()
