"""Lifetimes of channels, connections, their queues, callbacks and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import mooq
from tests.conftest import BrokerAddress, Connect
from tests.integration.inbox import LONGEST_WAIT, HeldInbox, Inbox
from tests.integration.steps import (
    bodies_of,
    consume,
    drained,
    logged,
    make_queue,
    no_task_left,
    processing,
    publish_each,
    until,
)


async def hold(connection: mooq.Connection, *bodies: Any) -> tuple[mooq.Channel, HeldInbox]:
    """Register a held consumer of the queue ``q`` and publish messages to it."""
    channel, inbox = await connection.create_channel(), HeldInbox()
    await consume(channel, inbox)
    await publish_each(channel, bodies)
    return channel, inbox


async def test_server_named_queue_ends_with_its_channel(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    async with await conn.create_channel() as channel:
        name = await channel.register_consumer(
            exchange_name="log", exchange_type="fanout", callback=Inbox()
        )
        await chan.publish(exchange_name="log", msg=1, mandatory=True)
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get(name)
    with pytest.raises(mooq.MessageUnroutable):
        await chan.publish(exchange_name="log", msg=2, mandatory=True)


async def test_server_named_queue_ends_with_its_connection(
    connect: Connect, chan: mooq.Channel
) -> None:
    other = await connect()
    name = await (await other.create_channel()).register_consumer(
        exchange_name="log", exchange_type="fanout", callback=Inbox()
    )
    await other.close()
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get(name)


async def test_named_queue_outlives_its_connection(connect: Connect, chan: mooq.Channel) -> None:
    other = await connect()
    await make_queue(other, "q")
    await chan.publish(exchange_name="log", msg="first")
    await other.close()
    await chan.publish(exchange_name="log", msg="second")
    assert await bodies_of(chan, "q") == ["first", "second"]


@pytest.mark.parametrize("what", ["channel", "connection"])
async def test_closing_waits_for_running_callbacks(
    connect: Connect, chan: mooq.Channel, what: str
) -> None:
    other = await connect()
    channel, inbox = await hold(other, 1, 2)
    async with processing(other):
        await inbox.has(2)
        closing = asyncio.create_task(channel.close() if what == "channel" else other.close())
        await asyncio.sleep(0)
        inbox.let_go(2)
        inbox.let_go(1)
        await closing
    assert inbox.finished == [2, 1]
    assert await bodies_of(chan, "q") == []


@pytest.mark.parametrize("what", ["channel", "connection"])
async def test_closing_cancels_slow_callbacks_and_requeues(
    connect: Connect, chan: mooq.Channel, what: str
) -> None:
    other = await connect()
    channel, inbox = await hold(other, "quick", "slow")
    async with processing(other):
        await inbox.has(2)
        inbox.let_go("quick")
        await (channel if what == "channel" else other).close(timeout=0.05)
    assert inbox.finished == ["quick"]
    left = await drained(chan, "q")
    assert [(message["msg"], message["redelivered"]) for message in left] == [("slow", True)]


@pytest.mark.parametrize("what", ["channel", "connection"])
async def test_closing_requeues_unprocessed_messages(
    connect: Connect, chan: mooq.Channel, what: str
) -> None:
    other = await connect()
    channel, inbox = await hold(other, 1, 2, 3)
    if what == "channel":
        await channel.close()
        async with asyncio.timeout(LONGEST_WAIT):
            await other.process_events(num_cycles=1)
    else:
        await other.close()
    assert inbox.bodies == []
    assert await bodies_of(chan, "q") == [1, 2, 3]


async def test_closing_a_channel_does_not_affect_others(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = HeldInbox()
    await chan.register_consumer("mine", exchange_name="my", exchange_type="direct", callback=inbox)
    await chan.publish(exchange_name="my", msg="running")
    await chan.publish(exchange_name="my", msg="too")
    channel, _ = await hold(conn, 1)
    async with processing(conn):
        await inbox.has(2)
        await channel.close(timeout=0.01)
        inbox.let_go("running", "too")
        inbox.open()
        await chan.publish(exchange_name="my", msg="after")
        assert await inbox.has(3) == ["running", "too", "after"]
    assert await bodies_of(chan, "q") == [1]


async def test_closing_twice_is_safe(conn: mooq.Connection, chan: mooq.Channel) -> None:
    for _ in range(2):
        await chan.close()
    assert chan.is_closed
    for _ in range(2):
        await conn.close()


async def test_concurrent_closes_are_safe(connect: Connect, chan: mooq.Channel) -> None:
    other = await connect()
    channel, inbox = await hold(other, 1)
    async with processing(other):
        await inbox.has(1)
        closing = [asyncio.create_task(each.close()) for each in (channel, other, channel, other)]
        await asyncio.sleep(0)
        inbox.open()
        await asyncio.gather(*closing)
    assert inbox.finished == [1]
    assert await bodies_of(chan, "q") == []


async def test_process_events_returns_on_connection_close(connect: Connect) -> None:
    other = await connect()
    processes = [
        asyncio.create_task(other.process_events(num_cycles))
        for num_cycles in (None, "inf", 1_000_000)
    ]
    _, inbox = await hold(other, 1)
    await inbox.has(1)
    inbox.open()
    await other.close()
    async with asyncio.timeout(LONGEST_WAIT):
        assert await asyncio.gather(*processes) == [None, None, None]


@pytest.mark.parametrize("what", ["channel", "connection"])
async def test_callback_may_close_its_channel_or_connection(
    connect: Connect, chan: mooq.Channel, what: str
) -> None:
    other = await connect()
    channel = await other.create_channel()
    inbox = Inbox()

    async def close(message: mooq.IncomingMessage) -> None:
        await (channel if what == "channel" else other).close()
        inbox.keep(message)

    await consume(channel, close)
    async with processing(other):
        await chan.publish(exchange_name="log", msg="quit")
        assert await inbox.has(1) == ["quit"]
    # The message was not acknowledged, since its channel closed before the callback returned.
    message = await chan.get("q", timeout=LONGEST_WAIT)  # RabbitMQ requeues after the close
    assert (message["msg"], message["redelivered"]) == ("quit", True)


async def test_callback_may_close_another_busy_channel(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    channel, inbox = await hold(conn, "held")
    closed = Inbox()

    async def close_it(message: mooq.IncomingMessage) -> None:
        inbox.open()
        await channel.close()
        closed.keep(message)

    await chan.register_consumer(
        "end", exchange_name="end", exchange_type="direct", callback=close_it
    )
    async with processing(conn):
        await inbox.has(1)
        await chan.publish(exchange_name="end", msg="end")
        await closed.has(1)
    assert inbox.finished == ["held"]
    assert await bodies_of(chan, "q") == []


async def test_context_managers_close_on_exit(broker_address: BrokerAddress) -> None:
    async with await mooq.connect(**broker_address) as conn:
        async with await conn.create_channel() as channel:
            assert not channel.is_closed
        assert channel.is_closed
        other = await conn.create_channel()
    assert other.is_closed
    with pytest.raises(mooq.BrokerConnectionError):
        await conn.create_channel()


async def test_context_manager_closes_after_an_error(
    broker_address: BrokerAddress,
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with await mooq.connect(**broker_address) as conn:
            raise ZeroDivisionError
    with pytest.raises(mooq.BrokerConnectionError, match="is closed"):
        await conn.create_channel()


USES: dict[str, Callable[[mooq.Channel], Awaitable[object]]] = {
    "register_producer": lambda channel: channel.register_producer(
        exchange_name="log", exchange_type="direct"
    ),
    "register_consumer": lambda channel: channel.register_consumer(
        exchange_name="log", exchange_type="direct", callback=Inbox()
    ),
    "publish": lambda channel: channel.publish(exchange_name="log", msg=1),
    "get": lambda channel: channel.get("q"),
    "get with a timeout": lambda channel: channel.get("q", timeout=1),
    "delete_queue": lambda channel: channel.delete_queue("q"),
}


@pytest.mark.parametrize("use", USES)
async def test_closed_channel_refuses_calls_with_a_remedy(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress, use: str
) -> None:
    text = (
        f"this channel to {broker_address['host']}:{broker_address['port']} is closed; create "
        "another with connection.create_channel()"
    )
    await chan.close()
    with pytest.raises(mooq.BrokerConnectionError) as caught:
        await USES[use](chan)
    assert str(caught.value) == text
    # The same holds after its connection was closed.
    channel = await conn.create_channel()
    await conn.close()
    with pytest.raises(mooq.BrokerConnectionError) as caught:
        await USES[use](channel)
    assert str(caught.value) == text


async def test_closed_connection_refuses_calls_with_a_remedy(
    conn: mooq.Connection, broker_address: BrokerAddress
) -> None:
    await conn.close()
    for use in (conn.create_channel, conn.process_events, conn.connect):
        with pytest.raises(mooq.BrokerConnectionError) as caught:
            await use()
        assert str(caught.value) == (
            f"this connection to {broker_address['host']}:{broker_address['port']} is closed; "
            "open another with mooq.connect()"
        )
    with pytest.raises(mooq.BrokerConnectionError, match="is closed"):
        await conn.process_events(num_cycles=1)


async def test_calls_in_flight_at_close_complete_or_fail(
    connect: Connect, conn: mooq.Connection
) -> None:
    await make_queue(conn, "q")
    for turns in range(40):
        other = await connect()
        channel = await other.create_channel()
        calls = [asyncio.ensure_future(use(channel)) for use in USES.values()]
        for _ in range(turns):
            await asyncio.sleep(0)
        await other.close()
        async with asyncio.timeout(LONGEST_WAIT):
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, mooq.MooqError)


async def test_deleting_a_queue_ends_only_its_consumers(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, other_inbox = Inbox(), Inbox()
    await consume(chan, inbox)
    await chan.register_consumer(
        "other", exchange_name="others", exchange_type="direct", callback=other_inbox
    )
    async with processing(conn):
        await (await (await connect()).create_channel()).delete_queue("q")
        await chan.publish(exchange_name="others", msg="still there")
        assert await other_inbox.has(1) == ["still there"]
        # RabbitMQ notifies consumers some time after the deletion.
        assert await until(lambda: logged(caplog), "word of the deletion") == [
            "queue 'q' was deleted; its consumer is gone until it is registered again"
        ]
        with pytest.raises(mooq.ConsumerQueueNotFound):
            await chan.get("q")
        await consume(chan, inbox)
        await chan.publish(exchange_name="log", msg="registered again")
        assert await inbox.has(1) == ["registered again"]
        await chan.close()


async def test_callbacks_of_a_deleted_queue_finish(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    channel, inbox = await hold(conn, 1, 2)
    async with processing(conn):
        await inbox.has(2)
        await chan.delete_queue("q")
        inbox.let_go(1, 2)
        await channel.close()
    assert inbox.finished == [1, 2]
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get("q")


async def test_closed_connection_leaves_no_task(broker_address: BrokerAddress) -> None:
    async with no_task_left():
        async with await mooq.connect(**broker_address) as conn:
            channel, inbox = await hold(conn, 1, 2, 3)
            processes = asyncio.create_task(conn.process_events())
            await inbox.has(3)
            with pytest.raises(mooq.ExchangeNotFound):
                await channel.publish(exchange_name="missing", msg=1)
            with pytest.raises(mooq.ConsumeTimeout):
                await channel.get("q", timeout=0.01)
            inbox.open()
        await processes


async def test_connection_supports_many_successive_channels(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    for number in range(20):
        async with await conn.create_channel() as channel:
            await channel.publish(exchange_name="log", msg=number)
            assert (await channel.get("q", timeout=LONGEST_WAIT))["msg"] == number


@pytest.mark.parametrize("what", ["channel", "connection"])
async def test_callback_may_use_its_closing_channel(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel, what: str
) -> None:
    await make_queue(conn, "replies", exchange_name="replies")
    other = await connect()
    channel = await other.create_channel()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def reply(message: mooq.IncomingMessage) -> None:
        begun.set()
        await go_on.wait()
        await channel.register_producer(exchange_name="replies", exchange_type="direct")
        await channel.publish(exchange_name="replies", msg=message["msg"].upper())

    await consume(channel, reply)
    async with processing(other):
        await chan.publish(exchange_name="log", msg="hello")
        await begun.wait()
        closing = asyncio.create_task(channel.close() if what == "channel" else other.close())
        await asyncio.sleep(0)
        go_on.set()
        await closing
    assert await bodies_of(chan, "replies") == ["HELLO"]
    assert await bodies_of(chan, "q") == []
