"""Network faults, each on both brokers."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, Literal

import pytest

import mooq
from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.broker import Broker
from mooq.testing.faults import Faults, faults_before
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.steps import bodies_of, consume, processing
from tests.integration.through_network import conn, faults, observer

__all__ = ["conn", "faults", "observer"]  # fixtures

AT_ONCE = 0.05  # seconds in which something must not happen


@pytest.fixture
async def chan(conn: mooq.Connection) -> mooq.Channel:
    """A channel that has published once, so that later only messages are in flight."""
    chan = await conn.create_channel()
    await chan.publish(exchange_name="log", msg="first")
    return chan


async def in_queue(observer: mooq.Connection) -> list[Any]:
    return await bodies_of(await observer.create_channel(), "q")


async def unfinished(task: asyncio.Task[Any]) -> None:
    _, pending = await asyncio.wait([task], timeout=AT_ONCE)
    assert pending


async def test_network_without_faults_passes_everything(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    inbox, chan = Inbox(), await conn.create_channel()
    await chan.register_consumer(
        "mine", exchange_name="own", exchange_type="topic", routing_keys="#", callback=inbox
    )
    big = "x" * 300_000  # needs several frames
    async with processing(conn):
        await asyncio.gather(
            *(chan.publish(exchange_name="own", msg=[number, big]) for number in range(5))
        )
        assert await inbox.has(5) == [[number, big] for number in range(5)]
    with pytest.raises(mooq.ExchangeNotFound):
        await chan.publish(exchange_name="missing", msg=1)
    with pytest.raises(mooq.NothingToConsume):
        await chan.get("q")
    await chan.delete_queue("mine")
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get("mine")


async def test_cut_before_confirm_leaves_publish_unconfirmed(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    chan = await conn.create_channel()
    faults.cut(before="confirm")
    with pytest.raises(mooq.PublishUnconfirmed):
        await chan.publish(exchange_name="log", msg="mine", message_id="m-1")
    assert await in_queue(observer) == ["mine"]
    await chan.publish(exchange_name="log", msg="again", message_id="m-1")
    assert await in_queue(observer) == ["again"]


async def test_delivery_cut_off_is_redelivered(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    inbox, chan = Inbox(), await conn.create_channel()
    await consume(chan, inbox)
    look = await observer.create_channel()
    async with processing(conn):
        faults.cut(before="delivery")
        await look.publish(exchange_name="log", msg="once")
        assert await inbox.has(1) == ["once"]
    assert inbox.messages[0]["redelivered"]


async def test_cut_connections_are_reopened(
    faults: Faults, conn: mooq.Connection, observer: mooq.Connection
) -> None:
    inbox, chan = Inbox(), await conn.create_channel()
    await consume(chan, inbox)
    look = await observer.create_channel()
    async with processing(conn, observer):
        for number in range(3):
            faults.cut()
            await look.publish(exchange_name="log", msg=number)
            await inbox.has_that(lambda: number in inbox.bodies, f"message {number}")  # noqa: B023


async def test_vanished_broker_is_unreachable_until_heal(
    faults: Faults, conn: mooq.Connection, chan: mooq.Channel, observer: mooq.Connection
) -> None:
    faults.vanish()
    with pytest.raises(mooq.BrokerConnectionError, match="nothing listens there"):
        await mooq.connect(**faults.arguments)
    with pytest.raises(mooq.BrokerConnectionError):
        await chan.publish(exchange_name="log", msg="lost", timeout=0.2)
    publishing = asyncio.create_task(chan.publish(exchange_name="log", msg="late"))
    faults.vanish()  # a second time does nothing
    faults.heal()
    await publishing
    assert await in_queue(observer) == ["first", "late"]


async def test_vanish_and_heal_may_follow_at_once(faults: Faults) -> None:
    for _ in range(3):
        async with asyncio.timeout(LONGEST_WAIT):
            await (await mooq.connect(**faults.arguments)).close()
        faults.vanish()
        faults.heal()
    await (await mooq.connect(**faults.arguments)).close()


async def test_stalled_network_passes_nothing_until_heal(
    faults: Faults, chan: mooq.Channel, observer: mooq.Connection
) -> None:
    faults.stall()
    with pytest.raises(mooq.PublishUnconfirmed, match="no answer from the broker within"):
        await chan.publish(exchange_name="log", msg="stalled", timeout=AT_ONCE)
    assert await in_queue(observer) == ["first"]
    with pytest.raises(mooq.BrokerConnectionError, match=r"no answer within 0\.05 s"):
        await mooq.connect(**faults.arguments, timeout=AT_ONCE)
    faults.heal()
    await chan.publish(exchange_name="log", msg="next")
    assert await in_queue(observer) == ["stalled", "next"]


async def test_held_answers_arrive_after_heal(
    faults: Faults, chan: mooq.Channel, observer: mooq.Connection
) -> None:
    faults.hold_answers()
    publishing = asyncio.create_task(chan.publish(exchange_name="log", msg="late"))
    async with asyncio.timeout(LONGEST_WAIT):
        await faults.is_holding.wait()
    assert await in_queue(observer) == ["first", "late"]
    assert not publishing.done()
    faults.heal()
    await publishing


async def test_hold_answers_passes_the_first_answers(faults: Faults, chan: mooq.Channel) -> None:
    faults.hold_answers(after=1)
    await chan.publish(exchange_name="log", msg="second")
    assert not faults.is_holding.is_set()
    publishing = asyncio.create_task(chan.publish(exchange_name="log", msg="third"))
    async with asyncio.timeout(LONGEST_WAIT):
        await faults.is_holding.wait()
    await unfinished(publishing)
    faults.heal()
    await publishing


async def test_delay_keeps_message_order(
    faults: Faults, conn: mooq.Connection, chan: mooq.Channel, observer: mooq.Connection
) -> None:
    loop = asyncio.get_running_loop()
    faults.delay(0.1)
    began = loop.time()
    await asyncio.gather(*(chan.publish(exchange_name="log", msg=number) for number in range(20)))
    assert loop.time() - began >= 0.2  # one delay in each direction
    assert await in_queue(observer) == ["first", *range(20)]


async def test_trickle_limits_the_transfer_rate(
    faults: Faults, chan: mooq.Channel, observer: mooq.Connection
) -> None:
    loop = asyncio.get_running_loop()
    large = "x" * 3_000
    faults.trickle(10_000)
    began = loop.time()
    await chan.publish(exchange_name="log", msg=large)
    assert loop.time() - began >= 0.3
    faults.trickle(10)
    publishing = asyncio.create_task(chan.publish(exchange_name="log", msg="slow"))
    await unfinished(publishing)
    faults.heal()  # removes the limit of 10 bytes a second
    async with asyncio.timeout(LONGEST_WAIT):
        await publishing
    assert await in_queue(observer) == ["first", large, "slow"]


async def test_half_closed_connection_is_reopened(
    faults: Faults, conn: mooq.Connection, chan: mooq.Channel, observer: mooq.Connection
) -> None:
    faults.hold_answers()
    publishing = asyncio.create_task(chan.publish(exchange_name="log", msg="half"))
    async with asyncio.timeout(LONGEST_WAIT):
        await faults.is_holding.wait()
    faults.half_close()
    with pytest.raises(mooq.PublishUnconfirmed):
        await publishing
    faults.heal()
    await chan.publish(exchange_name="log", msg="whole")
    assert await in_queue(observer) == ["first", "half", "whole"]


async def test_half_closed_connection_still_sends(
    faults: Faults, chan: mooq.Channel, observer: mooq.Connection
) -> None:
    faults.stall()
    publishing = asyncio.create_task(chan.publish(exchange_name="log", msg="sent"))
    await unfinished(publishing)
    faults.half_close()
    with pytest.raises(mooq.PublishUnconfirmed):
        await publishing
    look = await observer.create_channel()
    arrived = [(await look.get("q", timeout=LONGEST_WAIT))["msg"] for _ in range(2)]
    assert arrived == ["first", "sent"]
    faults.heal()  # only now: RabbitMQ may drop unprocessed input when it sees the end
    await chan.publish(exchange_name="log", msg="next")
    assert await in_queue(observer) == ["next"]


async def test_get_cancelled_in_flight_keeps_its_message(
    faults: Faults, chan: mooq.Channel, observer: mooq.Connection
) -> None:
    faults.hold_answers()
    getting = asyncio.create_task(chan.get("q"))
    async with asyncio.timeout(LONGEST_WAIT):
        await faults.is_holding.wait()
    getting.cancel()
    await asyncio.wait([getting])
    faults.heal()
    look = await observer.create_channel()
    assert (await look.get("q", timeout=LONGEST_WAIT))["msg"] == "first"


@pytest.mark.parametrize("name", ["delay", "trickle"])
@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf")])
async def test_invalid_delay_or_rate_is_refused(
    faults: Faults, name: Literal["delay", "trickle"], number: float
) -> None:
    with pytest.raises(ValueError, match="must be a positive number, not"):
        getattr(faults, name)(number)


async def test_unknown_moment_of_a_cut_is_refused(faults: Faults) -> None:
    with pytest.raises(ValueError, match=r"before must be one of .'confirm', 'delivery'. or None"):
        faults.cut(before="lunch")  # type: ignore[arg-type]


async def test_unknown_broker_of_faults_is_refused() -> None:
    with pytest.raises(ValueError, match="broker must be 'rabbit' or 'in_memory', not 'kafka'"):
        async with faults_before(broker="kafka"):
            pass


async def test_faults_before_a_missing_broker_refuse_clients() -> None:
    for broker in ("in_memory", "rabbit"):
        async with faults_before("127.0.0.1", 1, broker) as faults:
            with pytest.raises(mooq.BrokerConnectionError) as caught:
                await mooq.connect(**faults.arguments)
            assert caught.value.transient


async def test_mooq_faults_fixture_affects_the_test_broker(
    mooq_channel: mooq.Channel,
    mooq_faults: Faults,
    mooq_broker: Broker,
    mooq_address: Address,
    broker_address: BrokerAddress,
) -> None:
    await mooq_channel.register_producer(exchange_name="log", exchange_type="fanout")
    mooq_faults.cut(before="confirm")
    with pytest.raises(mooq.PublishUnconfirmed):
        await mooq_channel.publish(exchange_name="log", msg=1)
    await mooq_channel.publish(exchange_name="log", msg=1)

    # The test's connections pass through the network; direct ones do not.
    mooq_faults.stall()
    straight = arguments_of(mooq_broker.backend, mooq_address)
    async with await mooq.connect(**straight) as observer:
        await (await observer.create_channel()).publish(exchange_name="log", msg=2)
    with pytest.raises(mooq.BrokerConnectionError, match="no answer within"):
        await mooq.connect(**broker_address, timeout=AT_ONCE)
    if mooq_broker.backend == "rabbit":
        with pytest.raises(mooq.BrokerConnectionError, match="no answer within"):
            await mooq.connect(url=mooq_broker.url, timeout=AT_ONCE)
    # The network heals at the end of the test, or the connection could not be closed.


async def test_broker_faults_need_the_mooq_faults_fixture(mooq_broker: Broker) -> None:
    with pytest.raises(RuntimeError, match="need the mooq_faults fixture"):
        mooq_broker.faults  # noqa: B018


PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


@pytest.mark.parametrize(
    "mooq_backend", [pytest.param("rabbit", marks=pytest.mark.rabbit)], scope="session"
)
def test_faults_affect_a_blocking_client(mooq_faults: Faults) -> None:
    where = mooq_faults.arguments["host"], mooq_faults.arguments["port"]
    with socket.create_connection(where, LONGEST_WAIT) as client:
        client.sendall(PROTOCOL_HEADER)
        assert client.recv(1) == b"\x01"  # the frame of connection.start
        mooq_faults.cut()
        with suppress(ConnectionResetError):
            while client.recv(2**16):
                pass
    mooq_faults.vanish()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, LONGEST_WAIT)
    mooq_faults.heal()
    with socket.create_connection(where, LONGEST_WAIT) as client:
        client.sendall(PROTOCOL_HEADER)
        assert client.recv(1) == b"\x01"
    with pytest.raises(ValueError, match="before must be one of"):
        mooq_faults.cut(before="noon")  # type: ignore[arg-type]
