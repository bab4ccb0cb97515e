"""advance(): instant in memory, real waiting on RabbitMQ."""

from __future__ import annotations

import math
from typing import Any

import aio_pika
import pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

import mooq
from mooq.testing.broker import Broker
from mooq.testing.sync_broker import SyncBroker

RETRYING: dict[str, Any] = {
    "x-message-ttl": 200,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": "orders",
}


async def acknowledge(message: AbstractIncomingMessage) -> None:
    await message.ack()


async def test_message_expires_when_time_passes(mooq_broker: Broker) -> None:
    async with await aio_pika.connect(mooq_broker.url) as connection:
        channel = await connection.channel()
        orders = await channel.declare_queue("orders")
        await channel.declare_queue("later", arguments=RETRYING)
        await channel.default_exchange.publish(aio_pika.Message(b"tea"), "later")
        assert await orders.get(fail=False) is None
        await mooq_broker.advance(0.25)
        await orders.consume(acknowledge)
        expired = await mooq_broker.wait_for("expired")
        assert (expired.queue_name, expired.message.body) == ("later", b"tea")
        await mooq_broker.idle()
        assert [one.queue_name for one in mooq_broker.recorded.dead_lettered] == ["later"]


async def test_queue_expires_when_time_passes(mooq_broker: Broker) -> None:
    async with await mooq.connect(**mooq_broker.arguments) as connection:
        channel = await connection.create_channel()
        await channel.declare_queue("short", arguments=mooq.queue_arguments(expires=0.2))
        await mooq_broker.advance(0.4)
        with pytest.raises(mooq.ConsumerQueueNotFound):
            await channel.get("short")


@pytest.mark.parametrize("mooq_backend", ["in_memory"])
def test_advance_by_an_hour_is_instant_in_memory(mooq_broker: SyncBroker) -> None:
    with pika.BlockingConnection(pika.URLParameters(mooq_broker.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("orders")
        channel.queue_declare("later", arguments=RETRYING | {"x-message-ttl": 3_600_000})
        channel.basic_publish("", "later", b"tea")
        mooq_broker.wait_for("published")
        mooq_broker.advance(3_599)
        assert channel.basic_get("orders")[0] is None
        mooq_broker.advance(1)
        _, properties, body = channel.basic_get("orders", auto_ack=True)
        assert body == b"tea"
        assert properties.headers["x-death"][0]["reason"] == "expired"


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan])
async def test_advance_refuses_invalid_seconds(mooq_broker: Broker, seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be a positive number, not"):
        await mooq_broker.advance(seconds)
