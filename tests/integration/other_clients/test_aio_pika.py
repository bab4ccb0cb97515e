"""aio-pika, unmodified, on the test's broker."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
from aio_pika.patterns import RPC

import mooq
from mooq.testing.broker import Broker
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.steps import processing


async def test_messages_keep_all_their_properties(mooq_broker: Broker) -> None:
    async with await aio_pika.connect_robust(mooq_broker.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("events", aio_pika.ExchangeType.TOPIC)
        queue = await channel.declare_queue("orders", durable=True, arguments={"x-max-length": 10})
        await queue.bind(exchange, "order.#")
        sent = aio_pika.Message(
            b"\x00\xff",
            headers={"number": 1.5, "list": [1, "two"], "table": {"a": None}},
            content_type="application/octet-stream",
            correlation_id="c-1",
            reply_to="answers",
            expiration=60,
            priority=3,
            app_id="shop",
            type="order",
            message_id="m-1",
        )
        await exchange.publish(sent, "order.new")
        async with asyncio.timeout(LONGEST_WAIT):
            got = await queue.get()
        assert got.info() | {"delivery_tag": 0} == {
            **got.info(),
            "delivery_tag": 0,
            "headers": {"number": 1.5, "list": [1, "two"], "table": {"a": None}},
            "correlation_id": "c-1",
            "reply_to": "answers",
            "priority": 3,
            "app_id": "shop",
            "type": "order",
            "message_id": "m-1",
            "exchange": "events",
            "routing_key": "order.new",
        }
        assert got.body == b"\x00\xff"
        await got.ack()


async def test_remote_calls_are_answered(mooq_broker: Broker) -> None:
    async def multiply(*, x: int, y: int) -> int:
        return x * y

    async with (
        await aio_pika.connect_robust(mooq_broker.url) as serving,
        await aio_pika.connect_robust(mooq_broker.url) as asking,
        asyncio.timeout(LONGEST_WAIT),
    ):
        server = await RPC.create(await serving.channel())
        await server.register("multiply", multiply, auto_delete=True)
        client = await RPC.create(await asking.channel())
        assert await client.call("multiply", {"x": 6, "y": 7}) == 42


async def test_rejected_or_expired_messages_are_dead_letters(mooq_broker: Broker) -> None:
    async with await aio_pika.connect(mooq_broker.url) as connection:
        channel = await connection.channel()
        dead = await channel.declare_queue("dead")
        arguments: Any = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
        work = await channel.declare_queue("work", arguments=arguments)
        await channel.default_exchange.publish(aio_pika.Message(b"bad"), "work")
        await channel.default_exchange.publish(aio_pika.Message(b"late", expiration=0.02), "work")
        reasons = {}
        async with asyncio.timeout(LONGEST_WAIT), dead.iterator() as letters:
            rejected = await work.get()
            await rejected.reject(requeue=False)
            async for letter in letters:
                deaths: Any = letter.headers["x-death"]
                reasons[letter.body] = deaths[0]["reason"]
                await letter.ack()
                if len(reasons) == 2:
                    break
        assert reasons == {b"bad": "rejected", b"late": "expired"}


async def test_services_on_mooq_and_aio_pika_share_queues(mooq_broker: Broker) -> None:
    inbox = Inbox()
    async with (
        await mooq.connect(**mooq_broker.arguments) as ours,
        await aio_pika.connect(mooq_broker.url) as theirs,
    ):
        channel = await ours.create_channel()
        await channel.register_consumer(
            "orders", exchange_name="orders", exchange_type="fanout", callback=inbox
        )
        other = await theirs.channel()
        exchange = await other.get_exchange("orders")
        queue = await other.declare_queue("copies")
        await queue.bind(exchange)
        async with processing(ours):
            body = aio_pika.Message(b'{"tea":2}', content_type="application/json")
            await exchange.publish(body, "")
            assert await inbox.has(1) == [{"tea": 2}]
            await channel.publish(exchange_name="orders", msg={"milk": 1})
            async with asyncio.timeout(LONGEST_WAIT):
                bodies = [(await queue.get()).body, (await queue.get()).body]
        assert bodies == [b'{"tea":2}', b'{"milk":1}']
