"""process_events(): endless runs and single cycles."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import mooq
from tests.conftest import Connect
from tests.integration.inbox import LONGEST_WAIT, HeldInbox, Inbox
from tests.integration.steps import consume, cycles_until, make_queue, processing, publish_each
from tests.log_lines import LogLines


async def test_cycle_delivers_a_confirmed_publish(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, Inbox())
    publishers = [chan, await (await connect()).create_channel()]
    for number in range(200):
        await publishers[number % 2].publish(exchange_name="log", msg=number)
        await conn.process_events(num_cycles=1)
        assert inbox.bodies == list(range(number + 1))


async def test_cycle_delivers_messages_of_all_channels(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inboxes = [Inbox() for _ in range(5)]
    for inbox in inboxes:
        channel = await conn.create_channel()
        await channel.register_consumer(exchange_name="log", exchange_type="fanout", callback=inbox)
    for start in range(0, 200, 20):
        await asyncio.gather(
            *(chan.publish(exchange_name="log", msg=number) for number in range(start, start + 20))
        )
        await conn.process_events(num_cycles=1)
        for inbox in inboxes:
            assert inbox.bodies == list(range(start + 20))


async def test_cycle_waits_for_its_callbacks(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = await consume(chan, HeldInbox())
    await publish_each(chan, range(3))
    cycle = asyncio.create_task(conn.process_events(num_cycles=1))
    await inbox.has(3)
    inbox.let_go(0, 2)
    # Another call completes a cycle meanwhile; this one still waits.
    await conn.process_events(num_cycles=1)
    assert not cycle.done()
    inbox.let_go(1)
    await cycle
    assert sorted(inbox.finished) == [0, 1, 2]


async def test_cycle_without_messages_ends_after_a_wait(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await consume(chan, Inbox())
    began = time.monotonic()
    await conn.process_events(num_cycles=2)
    assert 0.19 < time.monotonic() - began < LONGEST_WAIT


async def test_cycle_waits_for_a_late_message(
    conn: mooq.Connection, chan: mooq.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooq.client.connection.CYCLE", LONGEST_WAIT)
    inbox = await consume(chan, Inbox())
    publisher = await conn.create_channel()
    await publisher.publish(exchange_name="log", msg="warm")
    await conn.process_events(num_cycles=1)
    cycle = asyncio.create_task(conn.process_events(num_cycles=1))
    await make_queue(conn, "some round trips")
    assert not cycle.done()
    await publisher.publish(exchange_name="log", msg="late")
    await cycle
    assert inbox.bodies == ["warm", "late"]


async def test_no_callback_runs_outside_a_cycle(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = await consume(chan, Inbox())
    await chan.publish(exchange_name="log", msg=1)
    await make_queue(conn, "a round trip")
    assert inbox.bodies == []
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == [1]


async def test_message_published_by_a_callback_needs_a_cycle(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    heard = Inbox()

    async def answer(message: mooq.IncomingMessage) -> None:
        await chan.publish(exchange_name="answers", msg=message["msg"].upper())

    await chan.register_consumer(
        "answers", exchange_name="answers", exchange_type="direct", callback=heard
    )
    await consume(chan, answer)
    for _ in range(20):
        heard.messages.clear()
        await chan.publish(exchange_name="log", msg="hello")
        await conn.process_events(num_cycles=1)
        await conn.process_events(num_cycles=1)
        assert heard.bodies == ["HELLO"]


@pytest.mark.parametrize("num_cycles", [None, "inf"])
async def test_process_events_runs_until_it_is_cancelled(
    conn: mooq.Connection, chan: mooq.Channel, num_cycles: Any
) -> None:
    inbox = await consume(chan, Inbox())
    forever = asyncio.create_task(conn.process_events(num_cycles))
    for number in range(5):
        await chan.publish(exchange_name="log", msg=number)
        await inbox.has(number + 1)
    assert not forever.done()
    forever.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forever
    # The connection still works.
    await chan.publish(exchange_name="log", msg="after")
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == [0, 1, 2, 3, 4, "after"]


async def test_cancelling_process_events_keeps_callbacks(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, HeldInbox())
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        await inbox.has(1)
    inbox.open()
    await conn.close()
    assert inbox.finished == ["m"]


@pytest.mark.mooq_allow_failures
async def test_failing_callbacks_do_not_end_process_events(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = Inbox()

    async def complain(message: mooq.IncomingMessage) -> None:
        inbox.keep(message)
        raise ValueError(message["msg"])

    await consume(chan, complain)
    async with processing(conn):
        await publish_each(chan, range(3))
        assert sorted(await inbox.has(6)) == [0, 0, 1, 1, 2, 2]


async def test_concurrent_process_events_share_the_work(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, Inbox())
    several = [asyncio.create_task(conn.process_events()) for _ in range(3)]
    await publish_each(chan, range(50))
    assert await inbox.has(50) == list(range(50))
    await conn.close()
    await asyncio.gather(*several)


async def test_callback_may_call_process_events(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inner = Inbox()

    async def wait_for_reply(message: mooq.IncomingMessage) -> None:
        await chan.publish(exchange_name="log", routing_key="inner", msg=message["msg"] + 1)
        await conn.process_events(num_cycles=1)
        assert inner.bodies == [2]

    await chan.register_consumer(
        "inner", "inner", exchange_name="log", exchange_type="direct", callback=inner
    )
    await consume(chan, wait_for_reply)
    await chan.publish(exchange_name="log", msg=1)
    await conn.process_events(num_cycles=1)
    assert inner.bodies == [2]


async def test_prefetch_count_limits_messages_of_a_cycle(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, Inbox(), prefetch_count=3)
    await publish_each(chan, range(7))
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == [0, 1, 2]
    await cycles_until(conn, lambda: len(inbox.messages) >= 7, "what waited in the queue")
    assert inbox.bodies == list(range(7))


@pytest.mark.parametrize(
    ("num_cycles", "error", "text"),
    [
        (0, ValueError, "num_cycles must be at least 1, not 0"),
        (-3, ValueError, "num_cycles must be at least 1, not -3"),
        (1.0, TypeError, "num_cycles must be an int or None, not float"),
        (True, TypeError, "num_cycles must be an int or None, not bool"),
        ("1", TypeError, "num_cycles must be an int or None, not str"),
        ("INF", TypeError, "num_cycles must be an int or None, not str"),
        (float("inf"), TypeError, "num_cycles must be an int or None, not float"),
    ],
)
async def test_invalid_number_of_cycles_is_refused(
    conn: mooq.Connection, chan: mooq.Channel, num_cycles: Any, error: type[Exception], text: str
) -> None:
    inbox = await consume(chan, Inbox())
    await chan.publish(exchange_name="log", msg=1)
    with pytest.raises(error, match=text):
        await conn.process_events(num_cycles)
    assert inbox.bodies == []
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == [1]


async def test_missing_process_events_is_logged(
    conn: mooq.Connection,
    chan: mooq.Channel,
    callback_log: LogLines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mooq.client.dispatcher.REMIND_AFTER", 0.01)
    await chan.register_consumer(
        "q", exchange_name="log", exchange_type="direct", callback=(inbox := Inbox())
    )
    await chan.publish(exchange_name="log", msg="unheard")

    async with asyncio.timeout(LONGEST_WAIT):
        line = await callback_log.lines.get()

    assert line == (
        "1 message is waiting but process_events() is not running; start it as a background "
        "task: asyncio.create_task(connection.process_events())"
    )
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == ["unheard"]


async def test_running_process_events_logs_no_reminder(
    conn: mooq.Connection,
    chan: mooq.Channel,
    callback_log: LogLines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mooq.client.dispatcher.REMIND_AFTER", 0.0)
    inbox = await consume(chan, HeldInbox())
    async with processing(conn):
        await publish_each(chan, range(3))
        await inbox.has(3)
        inbox.open()

    assert callback_log.lines.empty()
