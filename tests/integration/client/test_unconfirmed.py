"""Late and missing confirms, caused by a faulty network."""

from __future__ import annotations

import asyncio

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

import mooq
from mooq.testing.faults import Faults
from tests.integration.inbox import LONGEST_WAIT, HeldInbox, Inbox
from tests.integration.steps import bodies_of, consume, processing, publish_each
from tests.integration.through_network import conn, faults, observer

__all__ = ["conn", "faults", "observer"]  # fixtures


@retry(
    retry=retry_if_exception_type(mooq.NothingToConsume),
    wait=wait_fixed(0.01),
    stop=stop_after_delay(LONGEST_WAIT),
    reraise=True,
)
async def arrived(channel: mooq.Channel) -> object:
    """Wait for a message by polling, since the network holds answers to consumers."""
    return (await channel.get("q"))["msg"]


async def test_concurrent_publishes_do_not_share_confirms(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    look = await observer.create_channel()
    chan = await conn.create_channel()
    await chan.publish(exchange_name="log", msg="first")
    faults.hold_answers()
    publishing = [
        asyncio.create_task(chan.publish(exchange_name="log", msg=number)) for number in range(100)
    ]
    assert [await arrived(look) for _ in range(101)] == ["first", *range(100)]
    assert not any(task.done() for task in publishing)
    faults.heal()
    assert await asyncio.gather(*publishing) == [None] * 100


async def test_late_confirm_raises_publish_unconfirmed(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    chan = await conn.create_channel()
    await chan.publish(exchange_name="log", msg="first")
    faults.hold_answers()
    with pytest.raises(mooq.PublishUnconfirmed) as caught:
        await chan.publish(exchange_name="log", msg="second", message_id="m-2", timeout=0.05)
    place = f"{faults.arguments['host']}:{faults.arguments['port']}"
    assert str(caught.value) == (
        f"message m-2 to exchange 'log' at {place} was sent but "
        "not confirmed (no answer from the broker within 0.05 s); it may have arrived: "
        "publish it again with the same message_id, so that receivers can detect a duplicate"
    )
    assert isinstance(caught.value, mooq.BrokerConnectionError)
    faults.heal()
    await chan.publish(exchange_name="log", msg="third")
    assert await bodies_of(await observer.create_channel(), "q") == ["first", "second", "third"]


async def test_unsent_publish_times_out_and_never_arrives(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    chan = await conn.create_channel()
    faults.hold_answers()  # the check whether the exchange exists is not answered
    with pytest.raises(mooq.BrokerConnectionError, match=r"within 0\.05 s") as caught:
        await chan.publish(exchange_name="log", msg="first", timeout=0.05)
    assert not isinstance(caught.value, mooq.PublishUnconfirmed)
    faults.heal()
    await chan.publish(exchange_name="log", msg="second")
    assert await bodies_of(await observer.create_channel(), "q") == ["second"]


async def test_connection_loss_leaves_publishes_unconfirmed(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    look = await observer.create_channel()
    chan = await conn.create_channel()
    inbox = Inbox()
    await chan.register_consumer(
        "mine", exchange_name="own", exchange_type="direct", callback=inbox
    )
    await chan.publish(exchange_name="log", msg="first")
    faults.hold_answers()
    publishing = [
        asyncio.create_task(chan.publish(exchange_name="log", msg=number)) for number in range(10)
    ]
    assert [await arrived(look) for _ in range(11)] == ["first", *range(10)]
    faults.cut()
    faults.heal()
    outcomes = await asyncio.gather(*publishing, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {mooq.PublishUnconfirmed}
    # The connection is reopened with its consumer.
    async with processing(conn):
        await chan.publish(exchange_name="own", msg="again")
        assert await inbox.has(1) == ["again"]


async def test_connection_loss_redelivers_running_callbacks(
    faults: Faults, conn: mooq.Connection
) -> None:
    chan = await conn.create_channel()
    inbox, broken = Inbox(), asyncio.Event()

    async def outlive(message: mooq.IncomingMessage) -> None:
        inbox.keep(message)
        await broken.wait()

    await consume(chan, outlive)
    async with processing(conn):
        await publish_each(chan, range(3))
        await inbox.has(3)
        faults.cut()
        assert await inbox.has(6) == [0, 1, 2, 0, 1, 2]
        broken.set()  # the first three acknowledge on the lost channel
        await chan.publish(exchange_name="log", msg=3)
        assert (await inbox.has(7))[6] == 3
    assert [message["redelivered"] for message in inbox.messages] == [False] * 3 + [True] * 3 + [
        False
    ]


async def test_all_callbacks_end_after_a_connection_loss(
    faults: Faults, conn: mooq.Connection
) -> None:
    chan, inbox = await conn.create_channel(), HeldInbox()
    await consume(chan, inbox)
    await publish_each(chan, range(100))
    cycle = asyncio.create_task(conn.process_events(num_cycles=1))
    await inbox.has(100)
    inbox.open()
    faults.cut()
    async with asyncio.timeout(LONGEST_WAIT):
        await cycle
    assert sorted(inbox.finished) == list(range(100))
    await chan.close(timeout=LONGEST_WAIT)
    assert inbox.finished == inbox.bodies


async def test_waiting_get_continues_after_reconnecting(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    publisher = await observer.create_channel()
    chan = await conn.create_channel()
    getting = [asyncio.create_task(chan.get("q", timeout=LONGEST_WAIT)) for _ in range(3)]
    await publisher.publish(exchange_name="log", msg="before")
    await asyncio.wait(getting, return_when=asyncio.FIRST_COMPLETED)
    faults.cut()
    await publisher.publish(exchange_name="log", msg="after")
    await publisher.publish(exchange_name="log", msg="after")
    async with asyncio.timeout(LONGEST_WAIT / 2):
        messages = await asyncio.gather(*getting)
    assert {message["msg"] for message in messages} == {"before", "after"}


async def test_closing_ends_an_unanswered_reconnection(faults: Faults) -> None:
    conn = await mooq.connect(**faults.arguments, timeout=10 * LONGEST_WAIT)
    chan = await conn.create_channel()
    await chan.register_producer(exchange_name="log", exchange_type="direct")
    faults.hold_answers()
    processes = asyncio.create_task(conn.process_events())
    publishing = asyncio.create_task(chan.publish(exchange_name="log", msg=1))
    faults.cut()
    await faults.is_holding.wait()
    async with asyncio.timeout(LONGEST_WAIT):  # the connect timeout is ten times as long
        await conn.close()
        await processes
        with pytest.raises(mooq.BrokerConnectionError, match="is closed; "):
            await publishing
