"""Differences that parity programs found between mooq and RabbitMQ."""

from __future__ import annotations

import asyncio

import pytest

import mooq


async def nothing(_: mooq.IncomingMessage) -> None:
    raise AssertionError("nobody processes events here")


async def test_a_message_that_was_got_stays_got_when_another_call_is_refused_at_once(
    chan: mooq.Channel, conn: mooq.Connection
) -> None:
    other = await conn.create_channel()
    await other.register_consumer(
        "got", exchange_name="e", exchange_type="direct", callback=nothing
    )
    await other.close()
    await chan.publish(exchange_name="e", msg="once")

    message: mooq.IncomingMessage | BaseException
    refusal: mooq.IncomingMessage | BaseException
    message, refusal = await asyncio.gather(
        chan.get("got"), chan.get("missing"), return_exceptions=True
    )

    assert not isinstance(message, BaseException)
    assert message["msg"] == "once"
    assert isinstance(refusal, mooq.ConsumerQueueNotFound)
    with pytest.raises(mooq.NothingToConsume):
        await chan.get("got")
