"""pika's asyncio adapter on the test's broker."""

from __future__ import annotations

import asyncio
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from mooq.testing.broker import Broker
from tests.integration.inbox import LONGEST_WAIT


async def opened(url: str) -> AsyncioConnection:
    """Return an open connection in the running loop."""
    answer: asyncio.Future[AsyncioConnection] = asyncio.get_running_loop().create_future()
    AsyncioConnection(
        pika.URLParameters(url),
        on_open_callback=answer.set_result,
        on_open_error_callback=lambda _, error: answer.set_exception(error),
    )
    return await asyncio.wait_for(answer, LONGEST_WAIT)


async def test_confirmed_message_is_delivered(mooq_broker: Broker) -> None:
    loop = asyncio.get_running_loop()
    connection = await opened(mooq_broker.url)
    delivered: asyncio.Future[bytes] = loop.create_future()
    confirmed: asyncio.Future[Any] = loop.create_future()
    closed: asyncio.Future[None] = loop.create_future()
    connection.add_on_close_callback(lambda *_: closed.set_result(None))

    def use(channel: Any) -> None:
        channel.queue_declare("jobs", callback=lambda _: consume(channel))

    def consume(channel: Any) -> None:
        channel.basic_consume("jobs", deliver, callback=lambda _: publish(channel))

    def publish(channel: Any) -> None:
        channel.confirm_delivery(
            confirmed.set_result, callback=lambda _: channel.basic_publish("", "jobs", b"sweep")
        )

    def deliver(channel: Any, method: Any, _: Any, body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)
        delivered.set_result(body)

    connection.channel(on_open_callback=use)
    async with asyncio.timeout(LONGEST_WAIT):
        assert await delivered == b"sweep"
        assert isinstance((await confirmed).method, pika.spec.Basic.Ack)
        connection.close()
        await closed
