"""Publishing: confirms, refusals, order, cancellation and limits."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

import mooq
from tests.conftest import BrokerAddress, Connect
from tests.integration.foreign import foreigner
from tests.integration.inbox import Inbox
from tests.integration.steps import bodies_of, consume, drained, make_queue, processing

MEBIBYTE = 2**20


async def test_publish_returns_after_the_confirm(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    elsewhere = await (await connect()).create_channel()
    for number in range(100):
        await chan.publish(exchange_name="log", msg=number)
        assert (await elsewhere.get("q"))["msg"] == number


@pytest.mark.parametrize("first", ["log", "other", None])
async def test_concurrent_publishes_keep_their_order(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel, first: str | None
) -> None:
    await make_queue(conn, "q")
    await make_queue(conn, "q", exchange_name="other")
    publisher = await (await connect()).create_channel()
    if first is not None:  # so that only one of the exchanges is known
        await publisher.publish(exchange_name=first, msg="first")
        await chan.get("q")
    await asyncio.gather(
        *(
            publisher.publish(exchange_name="other" if number % 5 == 0 else "log", msg=number)
            for number in range(200)
        )
    )
    assert await bodies_of(chan, "q") == list(range(200))


async def test_refused_publish_leaves_concurrent_ones_alone(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox, elsewhere = Inbox(), Inbox()
    await consume(chan, inbox)
    other = await (other_conn := await connect()).create_channel()
    await other.register_consumer(exchange_name="all", exchange_type="fanout", callback=elsewhere)
    async with processing(conn, other_conn):
        for bad in (0, 5, 199):
            inbox.messages.clear()
            outcomes = await asyncio.gather(
                *(
                    chan.publish(exchange_name="missing" if number == bad else "log", msg=number)
                    for number in range(200)
                ),
                return_exceptions=True,
            )
            assert {type(outcomes.pop(bad))} == {mooq.ExchangeNotFound}
            assert outcomes == [None] * 199
            assert await inbox.has(199) == [number for number in range(200) if number != bad]
            assert not any(message["redelivered"] for message in inbox.messages)
        await chan.publish(exchange_name="all", msg="still there")
        assert await elsewhere.has(1) == ["still there"]


async def test_missing_exchange_error_has_address_and_remedy(
    chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    host, port, virtual_host = (broker_address[key] for key in ("host", "port", "virtual_host"))
    with pytest.raises(mooq.ExchangeNotFound) as caught:
        await chan.publish(exchange_name="missing", msg=1)
    assert str(caught.value) == (
        f"exchange 'missing' at {host}:{port}, virtual host '{virtual_host}', does not exist: "
        "register a producer or a consumer for it first "
        f"[NOT_FOUND - no exchange 'missing' in vhost '{virtual_host}']"
    )
    assert isinstance(caught.value, mooq.BadExchange)
    assert caught.value.__cause__ is not None


async def test_exchange_declared_after_a_refusal_is_found(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    with pytest.raises(mooq.ExchangeNotFound):
        await chan.publish(exchange_name="log", msg=1)
    await make_queue(await connect(), "q")
    await chan.publish(exchange_name="log", msg=2)
    assert await bodies_of(chan, "q") == [2]


async def test_publish_to_a_deleted_exchange_is_refused(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    inbox = await consume(chan, Inbox())
    await chan.register_producer(exchange_name="gone", exchange_type="direct")
    await chan.publish(exchange_name="gone", msg=1)
    async with foreigner(broker_address) as foreign:
        await foreign.delete_exchange("gone")
    for _ in range(2):
        with pytest.raises(mooq.ExchangeNotFound):
            await chan.publish(exchange_name="gone", msg=2)
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="still there")
        assert await inbox.has(1) == ["still there"]
    await chan.register_producer(exchange_name="gone", exchange_type="topic")
    await chan.publish(exchange_name="gone", msg=3)


async def test_lost_publish_is_never_reported_as_confirmed(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    await make_queue(conn, "q")
    await chan.register_producer(exchange_name="gone", exchange_type="direct")
    await chan.publish(exchange_name="gone", msg=1)
    async with foreigner(broker_address) as foreign:
        await foreign.delete_exchange("gone")
    outcomes = await asyncio.gather(
        *(
            chan.publish(exchange_name="gone" if number % 50 == 3 else "log", msg=number)
            for number in range(200)
        ),
        return_exceptions=True,
    )
    arrived = set(await bodies_of(chan, "q"))
    for number, outcome in enumerate(outcomes):
        if outcome is None:
            assert number in arrived
        else:
            assert isinstance(outcome, mooq.ExchangeNotFound | mooq.PublishUnconfirmed)
    await chan.publish(exchange_name="log", msg="still there")
    assert await bodies_of(chan, "q") == ["still there"]


async def test_cancelled_publish_keeps_channel_and_order(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, Inbox())
    moments = random.Random(1)  # fixed seed
    kept = []
    fresh = chan
    async with processing(conn):
        for number in range(150):
            if number % 10 == 0:
                fresh = await conn.create_channel()
            cancelled = asyncio.create_task(
                fresh.publish(exchange_name=moments.choice(["log", "log", "no"]), msg=-number)
            )
            confirmed = asyncio.create_task(fresh.publish(exchange_name="log", msg=number + 1))
            for _ in range(moments.randrange(40)):
                await asyncio.sleep(0)
            cancelled.cancel()
            outcomes = await asyncio.gather(cancelled, confirmed, return_exceptions=True)
            assert isinstance(outcomes[0], asyncio.CancelledError | mooq.ExchangeNotFound | None)
            assert outcomes[1] is None
            kept.append(number + 1)
        await inbox.has_that(lambda: inbox.bodies[-1:] == [150], "the last message")
    assert [body for body in inbox.bodies if body > 0] == kept


async def test_message_is_persistent_json_with_an_id(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="log", msg={"é": [1, None, "x"]})
    await chan.publish(exchange_name="log", msg=2, message_id="mine", headers={"h": 1})
    async with foreigner(broker_address) as foreign:
        first, second = await foreign.get("q"), await foreign.get("q")
    assert first.body == '{"é":[1,null,"x"]}'.encode()
    assert first.content_type == second.content_type == "application/json"
    assert first.is_persistent
    assert second.is_persistent
    assert first.message_id
    assert second.message_id == "mine"
    assert second.headers == {"h": 1}


async def test_generated_message_ids_are_unique(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    other = await (await connect()).create_channel()
    for channel in (chan, other) * 5:
        await channel.publish(exchange_name="log", msg=0)
    for _ in range(2):
        await chan.publish(exchange_name="log", msg=0, message_id="the same")
    ids = [message["message_id"] for message in await drained(chan, "q")]
    assert len(set(ids[:10])) == 10
    assert ids[10:] == ["the same", "the same"]


@pytest.mark.parametrize(
    ("msg", "arrives_as"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (-1.5e300, -1.5e300),
        (2**200, 2**200),
        ("", ""),
        ("\x00 é 日本 \U0001f600 \u2028", "\x00 é 日本 \U0001f600 \u2028"),
        ([], []),
        ((1, (2, 3)), [1, [2, 3]]),
        ({}, {}),
        ({1: "one", None: 0, False: 1}, {"1": "one", "null": 0, "false": 1}),
        ({"a": {"b": [{"c": "d"}]}}, {"a": {"b": [{"c": "d"}]}}),
    ],
    ids=lambda value: repr(value)[:25],
)
async def test_json_values_arrive_as_json_has_them(
    conn: mooq.Connection, chan: mooq.Channel, msg: object, arrives_as: object
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="log", msg=msg)
    arrived = (await chan.get("q"))["msg"]
    assert arrived == arrives_as
    assert type(arrived) is type(arrives_as)


async def test_message_size_is_limited_to_16_mebibytes(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    largest = "x" * (16 * MEBIBYTE - 2)
    await chan.publish(exchange_name="log", msg=largest)
    assert await bodies_of(chan, "q") == [largest]
    with pytest.raises(ValueError, match="has 16777217 bytes as JSON; at most 16777216"):
        await chan.publish(exchange_name="log", msg=largest + "x")
    await chan.publish(exchange_name="log", msg="small")
    assert await bodies_of(chan, "q") == ["small"]


def cycle() -> list[Any]:
    knot: list[Any] = []
    knot.append(knot)
    return knot


def deep() -> list[Any]:
    nest: list[Any] = []
    for _ in range(100_000):
        nest = [nest]
    return nest


REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "NaN": (lambda: math.nan, ValueError, r"msg is not JSON: msg is nan"),
    "infinity": (
        lambda: {"a": [-math.inf]},
        ValueError,
        r"msg is not JSON: msg\['a'\]\[0\] is -inf",
    ),
    "bytes": (lambda: b"x", TypeError, r"msg is not JSON: msg is of type bytes"),
    "set": (lambda: {1}, TypeError, r"msg is not JSON: msg is of type set"),
    "object": (object, TypeError, r"msg is not JSON: msg is of type object"),
    "key": (lambda: {(1, 2): 3}, TypeError, r"msg is not JSON: a key of msg is of type tuple"),
    "cycle": (cycle, ValueError, r"msg is not JSON: msg\[0\] is msg itself"),
    "depth": (deep, ValueError, r"msg is not JSON: it is nested too deeply"),
    "surrogate": (lambda: "\ud800", ValueError, r"msg contains '\\ud800', a lone surrogate"),
    "17 MiB": (lambda: "x" * 17 * MEBIBYTE, ValueError, r"msg has 17825794 bytes as JSON"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_non_json_message_is_refused_before_sending(
    conn: mooq.Connection, chan: mooq.Channel, what: str
) -> None:
    make, error, text = REFUSED[what]
    await make_queue(conn, "q")
    with pytest.raises(error, match=text):
        await chan.publish(exchange_name="log", msg=make())
    # The message is checked before the exchange.
    with pytest.raises(error, match=text):
        await chan.publish(exchange_name="missing", msg=make())
    await chan.publish(exchange_name="log", msg="fine")
    assert await bodies_of(chan, "q") == ["fine"]


async def test_headers_arrive_unchanged(conn: mooq.Connection, chan: mooq.Channel) -> None:
    headers: dict[str, Any] = {
        "none": None,
        "yes": True,
        "no": False,
        "small": [0, 1, -1, 127, 128, -129, 255, 256, 32768, -32769, 65535],
        "large": [2**31, -(2**31) - 1, 2**63 - 1, -(2**63)],
        "text": "é 日本 \x00",
        "list": [1, "a", [None, []]],
        "table": {"a": {"b": [1, {}]}, "": "empty"},
        "x" * 128: "the longest name",
        "": "no name",
    }
    await make_queue(conn, "q")
    await chan.publish(exchange_name="log", msg=1, headers=headers)
    arrived = (await chan.get("q"))["headers"]
    assert arrived == headers
    assert arrived["yes"] is True


async def test_message_without_headers_has_an_empty_dict(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="log", msg=1)
    await chan.publish(exchange_name="log", msg=2, headers={})
    assert [message["headers"] for message in await drained(chan, "q")] == [{}, {}]


async def test_headers_are_limited_to_32_kib(conn: mooq.Connection, chan: mooq.Channel) -> None:
    await make_queue(conn, "q")
    headers = {"h": "x" * (32 * 1024 - len('{"h":""}'))}
    await chan.publish(exchange_name="log", msg=1, headers=headers)
    assert (await chan.get("q"))["headers"] == headers
    with pytest.raises(ValueError, match="headers have 32769 bytes as JSON"):
        await chan.publish(exchange_name="log", msg=1, headers={"h": headers["h"] + "x"})


async def test_channels_publish_independently(conn: mooq.Connection, chan: mooq.Channel) -> None:
    await make_queue(conn, "q")
    channels = [await conn.create_channel() for _ in range(5)]
    await asyncio.gather(
        *(
            channel.publish(exchange_name="log" if number else "missing", msg=number)
            for number, channel in enumerate(channels)
            for _ in range(20)
        ),
        return_exceptions=True,
    )
    assert sorted(await bodies_of(chan, "q")) == sorted([1, 2, 3, 4] * 20)


async def test_concurrent_channels_keep_their_own_order(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    publishers = [await conn.create_channel() for _ in range(40)]
    for publisher in publishers:
        await publisher.publish(exchange_name="log", msg="first")

    await asyncio.gather(
        *(
            publisher.publish(exchange_name="log", msg=[name, number], mandatory=number % 2 == 0)
            for number in range(10)
            for name, publisher in enumerate(publishers)
        )
    )

    arrived = [body for body in await bodies_of(chan, "q") if body != "first"]
    for name in range(len(publishers)):
        assert [number for of, number in arrived if of == name] == list(range(10))


async def test_only_unroutable_concurrent_publishes_fail(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    keys = ["" if number % 3 else "nowhere" for number in range(150)]

    outcomes = await asyncio.gather(
        *(
            chan.publish(exchange_name="log", msg=number, routing_key=key, mandatory=True)
            for number, key in enumerate(keys)
        ),
        return_exceptions=True,
    )

    assert [isinstance(outcome, mooq.MessageUnroutable) for outcome in outcomes] == [
        key == "nowhere" for key in keys
    ]
    assert await bodies_of(chan, "q") == [number for number in range(150) if number % 3]
    await chan.publish(exchange_name="log", msg="last", mandatory=True)


async def test_publish_loop_does_not_starve_the_consumer(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, Inbox())
    async with processing(conn):
        for number in range(2000):
            await chan.publish(exchange_name="log", msg=number)
            if len(inbox.messages) >= 3:
                return
    raise AssertionError("2000 messages were published before three were consumed")
