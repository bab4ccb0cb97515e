"""Typical uses of the public API, type-checked by ``mypy --strict`` and never run.

An ``ignore`` marks a mistake that type checkers must find. If they no longer find it, the unused
``ignore`` is an error.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime
from functools import partial
from typing import Any, assert_type
from unittest.mock import AsyncMock

import mooq


async def connecting() -> None:
    assert_type(await mooq.connect(), mooq.Connection)
    assert_type(await mooq.connect("localhost", 5672, "rabbit"), mooq.Connection)
    assert_type(await mooq.connect(broker="in_memory"), mooq.Connection)
    assert_type(
        await mooq.connect(
            "broker.example",
            5671,
            username="ann",
            password="secret",
            virtual_host="tests",
            ssl=ssl.create_default_context(),
            timeout=2,
        ),
        mooq.Connection,
    )
    await mooq.connect(url="amqps://ann:secret@broker.example/tests", ssl=True, timeout=0.5)

    cluster = ["amqp://one.example", "amqp://two.example"]
    await mooq.connect(url=cluster, recovery=mooq.Recovery(attempts=5, longest_wait=2))
    await mooq.connect(recovery=5)  # type: ignore[arg-type]
    await mooq.connect(heartbeat=0, channel_max=9, client_name="a", client_properties={"b": [1]})
    await mooq.connect(heartbeat="9")  # type: ignore[arg-type]

    await mooq.connect("localhost", "5672")  # type: ignore[arg-type]
    await mooq.connect("localhost", 5672, "rabbit", "ann")  # type: ignore[call-arg]


async def chosen_at_run_time(broker: str) -> mooq.Connection:
    connection = await mooq.connect(broker=broker)
    assert_type(connection, mooq.Connection)
    return connection


async def connections(broker: str) -> None:
    async with await mooq.connect(broker="in_memory") as in_memory:
        assert_type(in_memory, mooq.Connection)
        assert_type((in_memory.host, in_memory.port), tuple[str, int])
    async with mooq.RabbitMQConnection(host="localhost", port=5672) as rabbit:
        assert_type(rabbit, mooq.RabbitMQConnection)
    connection = await chosen_at_run_time(broker)
    await connection.connect()
    await connection.process_events()
    await connection.process_events(3)
    await connection.process_events(num_cycles="inf")
    await connection.close()
    await connection.close(timeout=1)
    await connection.get_broker(host="localhost", port=5672).run()

    mooq.RabbitMQConnection("localhost", 5672)  # type: ignore[call-arg, arg-type]
    mooq.Connection(host="localhost", port=5672)  # type: ignore[abstract]
    await connection.process_events(num_cycles="all")  # type: ignore[arg-type]
    connection.get_broker("localhost", 5672)  # type: ignore[call-arg, arg-type]


async def callback(message: mooq.IncomingMessage) -> None:
    assert_type(message["msg"], Any)
    assert_type(message["routing_key"], str)
    assert_type(message["exchange_name"], str)
    assert_type(message["redelivered"], bool)
    assert_type(message["headers"], dict[str, Any])
    assert_type(message["message_id"], str | None)
    assert_type(message["body"], bytes)
    assert_type(message["content_type"], str | None)
    assert_type(message["persistent"], bool)
    assert_type(message["reply_to"], str | None)
    assert_type(message["expiration"], float | None)
    assert_type(message["timestamp"], datetime | None)
    message["payload"]  # type: ignore[typeddict-item]


async def plain_callback(message: dict[str, Any]) -> None: ...


async def callback_with_a_result(message: mooq.IncomingMessage) -> int:
    return len(message["msg"])


async def callback_with_more(prefix: str, message: mooq.IncomingMessage) -> None: ...


def callback_that_returns_a_future(message: mooq.IncomingMessage) -> asyncio.Future[str]:
    return asyncio.get_running_loop().create_future()


def not_async(message: mooq.IncomingMessage) -> None: ...


async def without_argument() -> None: ...


async def channels(connection: mooq.Connection) -> None:
    async with await connection.create_channel() as channel:
        assert_type(channel.is_closed, bool)
        await channel.register_producer(exchange_name="e", exchange_type="topic")
        name = await channel.register_consumer(
            exchange_name="e", exchange_type="topic", callback=callback
        )
        assert_type(name, str)
        await channel.register_consumer(
            "queue",
            ["a.*", "#"],
            exchange_name="e",
            exchange_type="topic",
            callback=callback_with_a_result,
            prefetch_count=10,
            dead_letter_exchange="dead",
        )
        for each in (
            callback,
            callback_that_returns_a_future,
            partial(callback_with_more, "prefix"),
            AsyncMock(),
        ):
            await channel.register_consumer(
                queue_name=None,
                routing_keys="key",
                exchange_name="e",
                exchange_type="direct",
                callback=each,
            )

        await channel.register_consumer(exchange_name="e", callback=callback)  # type: ignore[call-arg]
        for wrong in (not_async, without_argument):
            await channel.register_consumer(
                exchange_name="e",
                exchange_type="topic",
                callback=wrong,  # type: ignore[arg-type]
            )
        await channel.register_producer("e", "topic")  # type: ignore[call-arg, arg-type]


async def by_hand(message: mooq.IncomingMessage, delivery: mooq.ManualDelivery) -> None:
    assert_type(delivery.is_settled, bool)
    assert_type(await delivery.acknowledge(), None)
    assert_type(await delivery.reject(), None)
    assert_type(await delivery.requeue(), None)


async def consuming(channel: mooq.Channel) -> None:
    policy = mooq.Retry(attempts=3, first_wait=0.5, longest_wait=60, parking_queue="parked")
    assert_type(policy.parking_queue, str | None)
    await channel.consume("queue", by_hand, manual=True, retry=policy)
    await channel.register_consumer(
        "queue", exchange_name="e", exchange_type="fanout", callback=by_hand, manual=True
    )
    arguments = mooq.queue_arguments(queue_type="quorum", consumer_timeout=3600)
    await channel.declare_queue("queue", arguments=arguments)

    mooq.Retry(3)  # type: ignore[call-arg]
    await channel.consume("queue", callback, retry=3)  # type: ignore[arg-type]


async def publishing(channel: mooq.Channel) -> None:
    assert_type(await channel.publish(exchange_name="e", msg={"any": ["thing", None]}), None)
    await channel.publish(
        exchange_name="e",
        msg=1,
        routing_key="a.b",
        mandatory=True,
        headers={"str": "s", "int": 1, "list": [True, None, 0.5], "dict": {"in": (b"",)}},
        message_id="mine",
        timeout=0.5,
    )

    await channel.publish("e", 1)  # type: ignore[call-arg, arg-type]
    await channel.publish(exchange_name="e", msg=1, headers={"a": object()})  # type: ignore[dict-item]
    await channel.publish(exchange_name="e", msg=1, routing_key=None)  # type: ignore[arg-type]


async def reading(channel: mooq.Channel) -> None:
    assert_type(await channel.get("queue"), mooq.IncomingMessage)
    assert_type(await channel.get("queue", 0.5), mooq.IncomingMessage)
    assert_type(await channel.get(queue_name="queue", timeout=1), mooq.IncomingMessage)
    await channel.delete_queue("queue")
    await channel.close(timeout=1)
    await channel.get()  # type: ignore[call-arg]


async def brokers() -> None:
    async with mooq.InMemoryBroker(host="localhost", port=5672) as in_memory:
        assert_type(in_memory, mooq.InMemoryBroker)
        assert_type(in_memory.name, str)
    async with mooq.RabbitMQBroker(host="localhost", port=5672, launcher="docker") as rabbit:
        assert_type(rabbit, mooq.RabbitMQBroker)
    broker = mooq.InMemoryBroker(
        host="localhost", port=5672, users={"ann": "secret"}, virtual_hosts=["/", "tests"]
    )
    is_running = asyncio.get_running_loop().create_future()
    await asyncio.gather(broker.run(is_running=is_running), is_running)
    await broker.close()

    mooq.RabbitMQBroker("localhost", 5672)  # type: ignore[call-arg, arg-type]


async def failing(channel: mooq.Channel) -> None:
    try:
        await channel.get("queue", timeout=1)
    except (mooq.NothingToConsume, TimeoutError, ConnectionError):
        raise
    except mooq.BrokerConnectionError as error:
        assert_type(error.transient, bool)
    except mooq.MooqError as error:
        assert_type(error, mooq.MooqError)


mooq.Nothing  # type: ignore[attr-defined] # noqa: B018
