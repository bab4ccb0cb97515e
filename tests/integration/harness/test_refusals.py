"""Refusals, lost confirms and alarms that a test injects."""

from __future__ import annotations

import asyncio

import aio_pika
import pika
import pytest
from aio_pika.exceptions import (
    ChannelNotFoundEntity,
    DeliveryError,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ChannelAccessRefused

import mooq
from mooq.testing.broker import Broker
from mooq.testing.faults import Faults
from mooq.testing.sync_broker import SyncBroker
from tests.integration.inbox import LONGEST_WAIT

AT_ONCE = 0.05  # seconds in which something must not happen


async def test_declaration_is_refused_once(mooq_faults: Faults, mooq_broker: Broker) -> None:
    async with await aio_pika.connect(mooq_broker.url) as connection:
        channel = await connection.channel()
        mooq_faults.refuse("queue.declare", 403, "ACCESS_REFUSED - not today")
        with pytest.raises(ChannelAccessRefused, match="not today"):
            await channel.declare_queue("orders")
        other = await connection.channel()
        await other.declare_queue("orders")
        assert not channel.is_initialized or channel.is_closed


async def test_refused_publish_reaches_no_queue(mooq_faults: Faults, mooq_broker: Broker) -> None:
    async with await aio_pika.connect(mooq_broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("orders")
        mooq_faults.refuse("basic.publish", 404)
        with pytest.raises(ChannelNotFoundEntity, match="NOT_FOUND - refused by the test"):
            await channel.default_exchange.publish(aio_pika.Message(b"tea" * 99_999), "orders")
        assert not mooq_broker.recorded.published
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"milk"), "orders")
        queue = await channel.get_queue("orders")
        assert (await queue.get(no_ack=True)).body == b"milk"
        assert await queue.get(fail=False) is None


async def test_login_is_refused(mooq_faults: Faults, mooq_broker: Broker) -> None:
    mooq_faults.refuse_login(times=2)
    with pytest.raises(ProbableAuthenticationError, match="Login was refused"):
        await aio_pika.connect(mooq_broker.url)
    with pytest.raises(mooq.BrokerConnectionError, match="refused"):
        await mooq.connect(**mooq_broker.arguments)
    async with await aio_pika.connect(mooq_broker.url) as connection:
        assert not connection.is_closed


def test_connection_is_refused_when_it_opens(mooq_faults: Faults, mooq_broker: SyncBroker) -> None:
    mooq_faults.refuse("connection.open", 530, "NOT_ALLOWED - vhost is down")
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError, match=r"530.*vhost is down"):
        pika.BlockingConnection(pika.URLParameters(mooq_broker.url))


async def test_lost_confirm_keeps_the_message_in_the_queue(
    mooq_faults: Faults, mooq_broker: Broker
) -> None:
    async with await aio_pika.connect(mooq_broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("orders")
        mooq_faults.drop_confirms()
        with pytest.raises(asyncio.TimeoutError):
            await channel.default_exchange.publish(
                aio_pika.Message(b"tea"), "orders", timeout=AT_ONCE
            )
        assert (await queue.get(no_ack=True)).body == b"tea"
        await channel.default_exchange.publish(aio_pika.Message(b"milk"), "orders")


async def test_refused_confirm_raises_for_the_publisher(
    mooq_faults: Faults, mooq_broker: Broker
) -> None:
    async with await aio_pika.connect(mooq_broker.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("orders")
        mooq_faults.refuse_confirms(2)
        for _ in range(2):
            with pytest.raises(DeliveryError):
                await channel.default_exchange.publish(aio_pika.Message(b"tea"), "orders")
        await channel.default_exchange.publish(aio_pika.Message(b"tea"), "orders")


async def test_alarm_blocks_publishers_until_it_ends(
    mooq_faults: Faults, mooq_broker: Broker
) -> None:
    async with await mooq.connect(**mooq_broker.arguments) as connection:
        channel = await connection.create_channel()
        await channel.declare_queue("orders")
        mooq_faults.raise_alarm()
        with pytest.raises(mooq.BrokerConnectionError, match=r"low on memory|blocked|no answer"):
            await channel.publish(
                exchange_name="", routing_key="orders", msg="tea", timeout=AT_ONCE
            )
        mooq_faults.heal()
        await channel.publish(exchange_name="", routing_key="orders", msg="milk")


def test_blocking_client_is_notified_of_an_alarm(
    mooq_faults: Faults, mooq_broker: SyncBroker
) -> None:
    told: list[str] = []
    with pika.BlockingConnection(pika.URLParameters(mooq_broker.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("orders")

        def blocked(_: object, frame: pika.frame.Method) -> None:
            told.append(frame.method.reason)
            mooq_faults.heal()

        connection.add_on_connection_blocked_callback(blocked)
        connection.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))
        mooq_faults.raise_alarm("low on disk")
        channel.basic_publish("", "orders", b"tea")
        while len(told) < 2:
            connection.process_data_events(LONGEST_WAIT)
        assert told == ["low on disk", "unblocked"]
        assert channel.basic_get("orders", auto_ack=True)[2] == b"tea"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("queue.dream",), "method must be one that clients send, such as 'queue.declare'"),
        (("channel.close",), "method must be one that clients send"),
        (("queue.declare", 200), "code must be one of 320, 402, 403"),
    ],
)
async def test_invalid_refusal_is_rejected(
    mooq_faults: Faults, arguments: tuple[str, int], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        mooq_faults.refuse(*arguments)


@pytest.mark.parametrize("name", ["drop_confirms", "refuse_confirms"])
async def test_number_of_confirms_must_be_positive(mooq_faults: Faults, name: str) -> None:
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        getattr(mooq_faults, name)(0)
    with pytest.raises(ValueError, match="times must be at least 1, not 0"):
        mooq_faults.refuse("queue.declare", times=0)
