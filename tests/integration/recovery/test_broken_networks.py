"""Networks that stall, slow down or vanish during a connection."""

from __future__ import annotations

import asyncio

import pytest

import mooq
from mooq.testing.broker import Broker
from mooq.testing.faults import Faults
from tests.integration.inbox import LONGEST_WAIT, HeldInbox, Inbox
from tests.integration.steps import (
    bodies_of,
    consume,
    make_queue,
    no_task_left,
    processing,
    publish_surely,
)


async def test_stalled_publish_is_unconfirmed_at_its_timeout(
    mooq_faults: Faults, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="log", msg="before")
    mooq_faults.stall()
    async with asyncio.timeout(LONGEST_WAIT):
        outcomes = await asyncio.gather(
            *(chan.publish(exchange_name="log", msg=number, timeout=0.2) for number in range(20)),
            return_exceptions=True,
        )
    assert {type(outcome) for outcome in outcomes} == {mooq.PublishUnconfirmed}
    mooq_faults.heal()
    await chan.publish(exchange_name="log", msg="after")
    # The sent messages arrive late, once each and in order.
    assert await bodies_of(chan, "q") == ["before", *range(20), "after"]


async def test_publishes_wait_for_a_vanished_broker(
    mooq_faults: Faults, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="log", msg="before")
    mooq_faults.vanish()
    async with asyncio.timeout(LONGEST_WAIT):
        given_up = await asyncio.gather(
            *(chan.publish(exchange_name="log", msg="no", timeout=0.2) for _ in range(10)),
            return_exceptions=True,
        )
    assert all(isinstance(outcome, mooq.BrokerConnectionError) for outcome in given_up)
    waiting = [
        asyncio.create_task(chan.publish(exchange_name="log", msg=number)) for number in range(10)
    ]
    await asyncio.sleep(0)
    mooq_faults.heal()
    async with asyncio.timeout(LONGEST_WAIT):
        await asyncio.gather(*waiting)
    arrived = await bodies_of(chan, "q")
    assert sorted(body for body in arrived if isinstance(body, int)) == list(range(10))
    assert "no" not in arrived


async def test_messages_pass_a_slow_network(
    mooq_faults: Faults, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, Inbox())
    mooq_faults.trickle(20_000)
    async with processing(conn), asyncio.TaskGroup() as publishing:
        for number in range(10):
            publishing.create_task(chan.publish(exchange_name="log", msg=number))
        assert await inbox.has(10) == list(range(10))


@pytest.mark.parametrize("what", ["channel", "connection"])
async def test_closing_ends_on_a_stalled_network(
    mooq_faults: Faults, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("client.requests", "transports.rabbit.connection"):
        monkeypatch.setattr(f"mooq.{module}.GOODBYE_TIMEOUT", 0.2)
    async with no_task_left():
        other = await mooq.connect(**mooq_faults.arguments)
        channel, inbox = await other.create_channel(), HeldInbox()
        await consume(channel, inbox)
        async with processing(other):
            await channel.publish(exchange_name="log", msg=1)
            await inbox.has(1)
            mooq_faults.stall()
            inbox.open()
            async with asyncio.timeout(LONGEST_WAIT):
                if what == "channel":
                    await channel.close()
                await other.close()
        mooq_faults.heal()


@pytest.mark.parametrize("mooq_backend", [pytest.param("rabbit", marks=pytest.mark.rabbit)])
async def test_missed_heartbeats_end_a_stalled_connection(
    mooq_faults: Faults, mooq_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = await mooq_broker.connect(heartbeat=1)
    chan, inbox = await conn.create_channel(), Inbox()
    await consume(chan, inbox)
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="before")
        await inbox.has(1)
        lost = asyncio.Event()
        monkeypatch.setattr(conn._dispatcher, "forget_lost", lost.set)
        mooq_faults.stall()
        async with asyncio.timeout(LONGEST_WAIT):
            await lost.wait()
        mooq_faults.cut()  # ends requests that wait for the stalled network
        mooq_faults.heal()
        await publish_surely(chan, exchange_name="log", msg="after")
        await inbox.has_that(lambda: "after" in inbox.bodies, "what was published afterwards")


async def test_new_channel_restores_a_lost_connection(
    mooq_faults: Faults, conn: mooq.Connection, chan: mooq.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    await consume(chan, Inbox())
    lost = asyncio.Event()
    monkeypatch.setattr(conn._dispatcher, "forget_lost", lost.set)
    mooq_faults.cut()
    async with asyncio.timeout(LONGEST_WAIT):
        await lost.wait()
    assert chan.is_lost
    await conn.create_channel()
    assert not chan.is_lost
