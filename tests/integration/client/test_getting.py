"""get(): one message, at once or within a timeout."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import mooq
from tests.conftest import BrokerAddress, Connect
from tests.integration.inbox import LONGEST_WAIT, HeldInbox, Inbox
from tests.integration.steps import (
    bodies_of,
    consume,
    drained,
    make_queue,
    publish_each,
)


async def test_get_acknowledges_one_message(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q", "k")
    for number in range(3):
        await chan.publish(exchange_name="log", msg=number, routing_key="k")
    getter = await connect()
    message = await (await getter.create_channel()).get("q")
    assert message["msg"] == 0
    assert message["routing_key"] == "k"
    assert message["redelivered"] is False
    await getter.close()
    rest = await drained(chan, "q")
    assert [(each["msg"], each["redelivered"]) for each in rest] == [(1, False), (2, False)]


async def test_get_returns_the_same_message_as_a_callback(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = Inbox()
    await chan.register_consumer(
        "consumed", exchange_name="log", exchange_type="fanout", callback=inbox
    )
    await make_queue(conn, "got", exchange_type="fanout")
    await chan.publish(exchange_name="log", msg=[1], routing_key="k", headers={"h": [2]})
    await conn.process_events(num_cycles=1)
    assert [await chan.get("got")] == inbox.messages


async def test_get_from_empty_queue_raises(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    await make_queue(conn, "q")
    host, port = broker_address["host"], broker_address["port"]
    with pytest.raises(mooq.NothingToConsume) as caught:
        await chan.get("q")
    assert str(caught.value) == (f"queue 'q' at {host}:{port} is empty; give a timeout to wait")


async def test_get_timeout_raises_consume_timeout(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    await make_queue(conn, "q")
    host, port = broker_address["host"], broker_address["port"]
    with pytest.raises(mooq.ConsumeTimeout) as caught:
        await chan.get("q", timeout=0.05)
    assert str(caught.value) == f"queue 'q' at {host}:{port} stayed empty for 0.05 s"
    assert isinstance(caught.value, TimeoutError)
    await chan.publish(exchange_name="log", msg="too late")
    assert await bodies_of(chan, "q") == ["too late"]


@pytest.mark.parametrize("timeout", [None, 5])
async def test_get_from_a_missing_queue_raises_not_found(
    conn: mooq.Connection,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    timeout: float | None,
) -> None:
    inbox = await consume(chan, Inbox())
    host, port, virtual_host = (broker_address[key] for key in ("host", "port", "virtual_host"))
    with pytest.raises(mooq.ConsumerQueueNotFound) as caught:
        await chan.get("missing", timeout)
    assert str(caught.value) == (
        f"queue 'missing' at {host}:{port}, virtual host '{virtual_host}', does not exist: "
        "register a consumer with this queue_name first "
        f"[NOT_FOUND - no queue 'missing' in vhost '{virtual_host}']"
    )
    assert isinstance(caught.value, mooq.BadQueue)
    await chan.publish(exchange_name="log", msg="undisturbed")
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == ["undisturbed"]


async def test_waiting_get_returns_a_later_publish(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    getter = await conn.create_channel()
    getting = asyncio.create_task(getter.get("q", timeout=LONGEST_WAIT))
    other = asyncio.create_task(getter.get("q", timeout=LONGEST_WAIT))
    await chan.publish(exchange_name="log", msg="one")
    await chan.publish(exchange_name="log", msg="two")
    assert {(await getting)["msg"], (await other)["msg"]} == {"one", "two"}
    assert await bodies_of(chan, "q") == []


async def test_get_with_timeout_returns_ready_messages(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await publish_each(chan, range(3))
    assert [(await chan.get("q", timeout=LONGEST_WAIT))["msg"] for _ in range(3)] == [0, 1, 2]


async def test_waiting_get_takes_only_one_message(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    getter = await conn.create_channel()
    for start in range(0, 100, 5):
        getting = asyncio.create_task(getter.get("q", timeout=LONGEST_WAIT))
        await asyncio.gather(
            *(chan.publish(exchange_name="log", msg=number) for number in range(start, start + 5))
        )
        got = [(await getting)["msg"], *await bodies_of(chan, "q")]
        assert got == list(range(start, start + 5))


async def test_concurrent_gets_take_each_message_once(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    getters = [await (await connect()).create_channel() for _ in range(2)]
    getting = [
        asyncio.create_task(getters[number % 2].get("q", timeout=LONGEST_WAIT))
        for number in range(20)
    ]
    await asyncio.gather(*(chan.publish(exchange_name="log", msg=number) for number in range(20)))
    assert sorted(message["msg"] for message in await asyncio.gather(*getting)) == list(range(20))


@pytest.mark.parametrize("timeout", [None, LONGEST_WAIT])
async def test_cancelled_get_loses_no_message(
    conn: mooq.Connection, chan: mooq.Channel, timeout: float | None
) -> None:
    await make_queue(conn, "q")
    getter = await conn.create_channel()
    taken = []
    for number in range(100):
        getting = asyncio.create_task(getter.get("q", timeout))
        publishing = asyncio.create_task(chan.publish(exchange_name="log", msg=number))
        for _ in range(number % 25):
            await asyncio.sleep(0)
        if number % 2:
            await publishing  # so that some are cancelled while their message is in flight
        getting.cancel()
        outcomes = await asyncio.gather(getting, publishing, return_exceptions=True)
        if isinstance(outcomes[0], dict):
            taken.append(outcomes[0]["msg"])
    while len(taken) < 100:
        taken.append((await chan.get("q", timeout=LONGEST_WAIT))["msg"])
    assert sorted(taken) == list(range(100))
    assert await bodies_of(chan, "q") == []


async def test_exclusive_queue_is_locked_to_its_connection(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    name = await chan.register_consumer(
        exchange_name="log", exchange_type="fanout", callback=HeldInbox(), prefetch_count=1
    )
    await chan.publish(exchange_name="log", msg="held")
    await chan.publish(exchange_name="log", msg="ready")
    stranger = await (await connect()).create_channel()
    for timeout in (None, 5):
        with pytest.raises(mooq.BadQueue, match="is exclusive to another connection"):
            await stranger.get(name, timeout)
    with pytest.raises(mooq.BadQueue, match="is exclusive to another connection"):
        await stranger.delete_queue(name)
    sibling = await conn.create_channel()
    assert (await sibling.get(name))["msg"] == "ready"


async def test_queue_deletion_ends_a_waiting_get(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    getting = asyncio.create_task(chan.get("q", timeout=LONGEST_WAIT))
    other = await (await connect()).create_channel()
    # A message ends the first get; the deletion ends the second.
    await other.publish(exchange_name="", routing_key="q", msg="wake")
    assert (await getting)["msg"] == "wake"
    getting = asyncio.create_task(chan.get("q", timeout=LONGEST_WAIT))
    while not getting.done():
        await other.delete_queue("q")
        await asyncio.sleep(0)
    with pytest.raises(mooq.ConsumerQueueNotFound, match="queue 'q' at"):
        await getting


async def test_closing_the_channel_ends_a_waiting_get(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    channel = await conn.create_channel()
    getting = asyncio.create_task(channel.get("q", timeout=LONGEST_WAIT))
    # By now it waits for a message, or it will find its channel closed.
    await chan.publish(exchange_name="log", msg="first")
    await channel.close()
    async with asyncio.timeout(LONGEST_WAIT / 2):
        outcome: Any = (await asyncio.gather(getting, return_exceptions=True))[0]
    if isinstance(outcome, dict):
        assert outcome["msg"] == "first"
    else:
        assert isinstance(outcome, mooq.BrokerConnectionError)
        assert await bodies_of(chan, "q") == ["first"]


@pytest.mark.parametrize(
    ("queue_name", "error", "text"),
    [
        ("", mooq.BadQueue, "queue name is empty"),
        ("é", mooq.BadQueue, "queue name 'é' holds 'é'"),
        ("x" * 256, mooq.BadQueue, "has 256 characters"),
        (None, mooq.BadQueue, "queue name must be a str, not NoneType"),
        (["q"], mooq.BadQueue, "queue name must be a str, not list"),
    ],
)
async def test_get_refuses_an_invalid_queue_name(
    chan: mooq.Channel, queue_name: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        await chan.get(queue_name)
    with pytest.raises(error, match=text):
        await chan.delete_queue(queue_name)


@pytest.mark.parametrize(
    ("timeout", "error", "text"),
    [
        (0, ValueError, "timeout must be a positive number of seconds, not 0"),
        (-1.5, ValueError, r"timeout must be a positive number of seconds, not -1\.5"),
        (float("nan"), ValueError, "timeout must be a positive number of seconds, not nan"),
        ("1", TypeError, "timeout must be a number of seconds, not str"),
        (True, TypeError, "timeout must be a number of seconds, not bool"),
    ],
)
async def test_get_refuses_an_invalid_timeout(
    conn: mooq.Connection, chan: mooq.Channel, timeout: Any, error: type[Exception], text: str
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="log", msg="kept")
    with pytest.raises(error, match=text):
        await chan.get("q", timeout)
    assert await bodies_of(chan, "q") == ["kept"]
