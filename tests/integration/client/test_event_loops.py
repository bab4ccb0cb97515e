"""Connections and event loops: other loops, closed loops and several threads."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest

import mooq
from mooq.testing.broker import Broker
from mooq.testing.idling import NotIdle
from tests.conftest import BrokerAddress
from tests.integration.elsewhere import Elsewhere, elsewhere
from tests.integration.inbox import LONGEST_WAIT, HeldInbox, Inbox
from tests.integration.steps import consume, cycles_until, make_queue, processing, publish_each

SENDERS = 4
EACH = 100


@pytest.fixture
def other_loop() -> Iterator[Elsewhere]:
    """An event loop that another thread runs during the test."""
    with elsewhere() as other:
        yield other


async def ignore(message: mooq.IncomingMessage) -> None:
    """Do nothing with a message."""


CALLS: dict[str, Callable[[mooq.Connection, mooq.Channel], Awaitable[object]]] = {
    "connect": lambda conn, _: conn.connect(),
    "create_channel": lambda conn, _: conn.create_channel(),
    "process_events": lambda conn, _: conn.process_events(num_cycles=1),
    "close": lambda conn, _: conn.close(),
    "register_producer": lambda _, chan: chan.register_producer(
        exchange_name="log", exchange_type="direct"
    ),
    "register_consumer": lambda _, chan: chan.register_consumer(
        exchange_name="log", exchange_type="direct", callback=ignore
    ),
    "publish": lambda _, chan: chan.publish(exchange_name="log", msg=1),
    "get": lambda _, chan: chan.get("q"),
    "get with a timeout": lambda _, chan: chan.get("q", timeout=1),
    "delete_queue": lambda _, chan: chan.delete_queue("q"),
    "channel.close": lambda _, chan: chan.close(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_call_from_another_loop_names_both_loops(
    conn: mooq.Connection,
    chan: mooq.Channel,
    other_loop: Elsewhere,
    call: Callable[[mooq.Connection, mooq.Channel], Awaitable[object]],
) -> None:
    inbox = await consume(chan, Inbox())

    async def call_it() -> None:
        await call(conn, chan)

    with pytest.raises(RuntimeError) as raised:
        await other_loop.run(call_it())

    home, there = asyncio.get_running_loop(), other_loop.loop
    assert str(raised.value) == (
        f"this connection to {conn.host}:{conn.port} belongs to event loop "
        f"{type(home).__name__} at {id(home):#x} (running), but was called from event loop "
        f"{type(there).__name__} at {id(there):#x} (running). Call it from the loop that opened "
        "it; from another thread, use asyncio.run_coroutine_threadsafe(). In pytest, run fixtures "
        "and tests in one loop: set asyncio_default_fixture_loop_scope = function in the ini "
        "file; or, if tests share it, set both asyncio_default_fixture_loop_scope = session and "
        "asyncio_default_test_loop_scope = session in the ini file"
    )
    await chan.publish(exchange_name="log", msg="goes on")
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == ["goes on"]


async def test_broker_connects_only_in_its_own_loop(
    mooq_broker: Broker, other_loop: Elsewhere
) -> None:
    with pytest.raises(RuntimeError, match="the broker of this test belongs to event loop"):
        await other_loop.run(mooq_broker.connect())


def test_connection_moves_from_a_closed_loop(broker_address: BrokerAddress) -> None:
    bodies: list[object] = []

    async def keep(message: mooq.IncomingMessage) -> None:
        bodies.append(message["msg"])

    async def begin() -> tuple[mooq.Connection, mooq.Channel]:
        conn = await mooq.connect(**broker_address)
        chan = await conn.create_channel()
        await consume(chan, keep)
        await asyncio.gather(*(chan.publish(exchange_name="log", msg=body) for body in range(9)))
        await cycles_until(conn, lambda: len(bodies) == 9, "9 messages")
        processing = asyncio.create_task(conn.process_events())  # is cancelled while it waits
        await publish_each(chan, ["before"])
        await asyncio.sleep(0)
        del processing
        return conn, chan

    async def go_on(conn: mooq.Connection, chan: mooq.Channel) -> None:
        await asyncio.gather(
            *(chan.publish(exchange_name="log", msg=body) for body in range(9, 18))
        )
        await (await conn.create_channel()).publish(exchange_name="log", msg="after")
        await cycles_until(conn, lambda: {"before", "after"} <= set(bodies), "20 messages")
        await conn.close()

    conn, chan = asyncio.run(begin())
    asyncio.run(go_on(conn, chan))
    assert {*range(18), "before", "after"} == set(bodies)


@pytest.mark.parametrize("ending", ["channel", "connection"])
def test_connection_of_a_closed_loop_can_be_closed(
    broker_address: BrokerAddress, ending: str
) -> None:
    async def begin() -> tuple[mooq.Connection, mooq.Channel]:
        conn = await mooq.connect(**broker_address)
        chan = await conn.create_channel()
        await consume(chan, ignore)
        return conn, chan

    async def end(conn: mooq.Connection, chan: mooq.Channel) -> None:
        await (chan if ending == "channel" else conn).close()
        await conn.close()

    conn, chan = asyncio.run(begin())
    asyncio.run(end(conn, chan))
    assert chan.is_closed


def test_messages_of_a_closed_loop_are_redelivered(broker_address: BrokerAddress) -> None:
    async def hold() -> mooq.Connection:
        conn = await mooq.connect(**broker_address)
        chan = await conn.create_channel()
        await consume(chan, ignore)
        await publish_each(chan, range(3))
        return conn

    async def take() -> list[object]:
        async with await mooq.connect(**broker_address) as conn:
            chan = await conn.create_channel()
            await chan.publish(exchange_name="log", msg=3)
            return [(await chan.get("q", timeout=LONGEST_WAIT))["msg"] for _ in range(4)]

    held = asyncio.run(hold())
    assert asyncio.run(take()) == [0, 1, 2, 3]
    asyncio.run(held.close())


class Told:
    """An event of another thread's loop; waiting for it does not wake this loop."""

    def __init__(self, other: Elsewhere) -> None:
        self._event = asyncio.Event()
        self._loop = other.loop

    def tell(self, _: object = None) -> None:
        """Set the event from this thread."""
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Wait for the event in the other loop."""
        await asyncio.wait_for(self._event.wait(), LONGEST_WAIT)


async def test_message_from_another_thread_wakes_consumer(
    conn: mooq.Connection,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    other_loop: Elsewhere,
) -> None:
    told = Told(other_loop)

    async def tell(message: mooq.IncomingMessage) -> None:
        told.tell()

    async def send() -> None:
        async with await mooq.connect(**broker_address) as sender:
            await publish_each(await sender.create_channel(), ["hello"])
            await told.wait()

    await consume(chan, tell)
    async with processing(conn):
        await other_loop.run(send())


async def test_message_from_another_thread_ends_a_get(
    conn: mooq.Connection,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    other_loop: Elsewhere,
) -> None:
    told = Told(other_loop)

    async def send() -> None:
        async with await mooq.connect(**broker_address) as sender:
            await publish_each(await sender.create_channel(), ["hello"])
            await told.wait()

    await make_queue(conn, "q")
    getting = asyncio.create_task(chan.get("q", timeout=2 * LONGEST_WAIT))
    getting.add_done_callback(told.tell)
    await other_loop.run(send())
    assert (await getting)["msg"] == "hello"


async def test_queue_deletion_in_another_thread_ends_a_get(
    conn: mooq.Connection,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    other_loop: Elsewhere,
) -> None:
    told = Told(other_loop)

    async def delete() -> None:
        async with await mooq.connect(**broker_address) as other:
            await (await other.create_channel()).delete_queue("q")
            await told.wait()

    await make_queue(conn, "q")
    getting = asyncio.create_task(chan.get("q", timeout=2 * LONGEST_WAIT))
    getting.add_done_callback(told.tell)
    await other_loop.run(delete())
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await getting


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Make threads interrupt each other very often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
async def test_threads_share_a_queue_without_losing_messages(
    mooq_broker: Broker, conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    inboxes = [await consume(chan, Inbox())]

    async def work(sender: int) -> mooq.Connection:
        conn = await mooq.connect(**broker_address)
        chan = await conn.create_channel()
        inboxes.append(await consume(chan, Inbox(), prefetch_count=3))
        await publish_each(chan, [[sender, number] for number in range(EACH)])
        return conn

    with ExitStack() as threads:
        others = [threads.enter_context(elsewhere()) for _ in range(SENDERS)]
        working = [other.run(work(sender)) for sender, other in enumerate(others)]
        connections = await asyncio.gather(*working)
        await mooq_broker.idle(timeout=LONGEST_WAIT)
        for other, connection in zip(others, connections, strict=True):
            await other.run(connection.close())
    bodies = [body for inbox in inboxes for body in inbox.bodies]
    assert sorted(bodies) == [[sender, n] for sender in range(SENDERS) for n in range(EACH)]


@pytest.mark.usefixtures("eager_threads")
async def test_messages_of_each_thread_keep_their_order(
    mooq_broker: Broker, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    inbox = await consume(chan, Inbox())

    async def send(sender: int) -> None:
        async with await mooq.connect(**broker_address) as conn:
            bodies = [[sender, number] for number in range(EACH)]
            await publish_each(await conn.create_channel(), bodies)

    with ExitStack() as threads:
        others = [threads.enter_context(elsewhere()) for _ in range(SENDERS)]
        await asyncio.gather(send(SENDERS), *(o.run(send(n)) for n, o in enumerate(others)))
        await mooq_broker.idle(timeout=LONGEST_WAIT)
    for sender in range(SENDERS + 1):
        numbers = [number for who, number in inbox.bodies if who == sender]
        assert numbers == list(range(EACH))


async def test_idle_waits_for_an_application_in_a_thread(
    mooq_broker: Broker,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    other_loop: Elsewhere,
) -> None:
    replies = await consume(chan, Inbox())

    async def begin() -> tuple[mooq.Connection, asyncio.Task[None]]:
        conn = await mooq.connect(**broker_address)
        own = await conn.create_channel()

        async def reply(message: mooq.IncomingMessage) -> None:
            await asyncio.sleep(0)
            await own.publish(exchange_name="log", msg=message["msg"])

        await own.register_consumer(
            "jobs", exchange_name="jobs", exchange_type="fanout", callback=reply, prefetch_count=1
        )
        return conn, asyncio.create_task(conn.process_events())

    async def end(conn: mooq.Connection, processing: asyncio.Task[None]) -> None:
        await conn.close()
        await processing

    application = await other_loop.run(begin())
    await publish_each(chan, range(20), exchange_name="jobs")
    await mooq_broker.idle(timeout=LONGEST_WAIT)
    assert replies.bodies == list(range(20))
    await other_loop.run(end(*application))
    await mooq_broker.idle()


async def test_idle_reports_callbacks_of_another_thread(
    mooq_broker: Broker,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    other_loop: Elsewhere,
) -> None:
    held = HeldInbox()

    async def begin() -> mooq.Connection:
        conn = await mooq.connect(**broker_address)
        await consume(await conn.create_channel(), held)
        return conn

    application = await other_loop.run(begin())
    await publish_each(chan, ["job"])
    with pytest.raises(NotIdle, match="last seen: 1 callback still running: mooq callback"):
        await mooq_broker.idle(timeout=0.5)
    other_loop.loop.call_soon_threadsafe(held.open)
    await mooq_broker.idle(timeout=LONGEST_WAIT)
    assert held.finished == ["job"]
    await other_loop.run(application.close())


async def test_idle_ignores_a_closed_loop(
    mooq_broker: Broker, broker_address: BrokerAddress
) -> None:
    async def begin() -> mooq.Connection:
        conn = await mooq.connect(**broker_address)
        await consume(await conn.create_channel(), ignore)
        return conn

    with elsewhere() as other:
        forgotten = await other.run(begin())
    await mooq_broker.idle()
    await forgotten.close()


def test_idle_names_a_loop_that_is_not_running(
    broker_address: BrokerAddress, mooq_broker: Broker
) -> None:
    async def begin() -> mooq.Connection:
        conn = await mooq.connect(**broker_address)
        await consume(await conn.create_channel(), ignore)
        return conn

    with asyncio.Runner() as first:
        conn = first.run(begin())
        with pytest.raises(RuntimeError) as raised:
            asyncio.run(mooq_broker.idle())
        assert re.search(r"belongs to event loop \S+ at \S+ \(not running\)", str(raised.value))
        first.run(conn.close())
