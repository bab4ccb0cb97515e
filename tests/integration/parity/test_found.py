"""Regression tests of differences that parity programs found."""

from __future__ import annotations

import asyncio

import pytest

import mooq
from tests.integration.inbox import LONGEST_WAIT
from tests.integration.steps import processing


async def nothing(_: mooq.IncomingMessage) -> None:
    raise AssertionError("nobody processes events here")


async def test_refused_get_does_not_requeue_a_concurrent_get(
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


async def test_dead_letter_returns_to_its_rejecting_consumer(
    chan: mooq.Channel, conn: mooq.Connection
) -> None:
    given: list[tuple[str, object, mooq.ManualDelivery]] = []
    something = asyncio.Event()

    async def consume(name: str, prefetch_count: int) -> None:
        async def keep(message: mooq.IncomingMessage, delivery: mooq.ManualDelivery) -> None:
            given.append((name, message["msg"], delivery))
            something.set()

        await chan.register_consumer(
            "q",
            exchange_name="e",
            exchange_type="fanout",
            callback=keep,
            prefetch_count=prefetch_count,
            dead_letter_exchange="e",
            manual=True,
        )

    async def are_given(count: int) -> list[tuple[str, object]]:
        async with asyncio.timeout(LONGEST_WAIT):
            while len(given) < count:
                something.clear()
                await something.wait()
        return [(name, msg) for name, msg, _ in given]

    await chan.register_producer(exchange_name="e", exchange_type="fanout")
    await consume("first", 1)
    await consume("second", 2)
    async with processing(conn):
        for number in (1, 2):
            await chan.publish(exchange_name="e", msg=number)
        assert await are_given(2) == [("first", 1), ("second", 2)]
        await given[0][2].reject()
        assert (await are_given(3))[2] == ("first", 1)
