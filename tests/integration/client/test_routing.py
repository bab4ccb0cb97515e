"""Routing by topic, direct, fanout and default exchanges, and unroutable messages."""

from __future__ import annotations

import asyncio

import pytest

import mooq
from tests.conftest import Connect
from tests.integration.inbox import Inbox
from tests.integration.steps import bodies_of, make_queue, processing
from tests.topic_pairs import PATTERNS, TOPIC_PAIRS


async def test_topic_routing_matches_recorded_rabbitmq(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inboxes = {pattern: Inbox() for pattern in PATTERNS}
    for pattern, inbox in inboxes.items():
        await chan.register_consumer(
            routing_keys=pattern, exchange_name="log", exchange_type="topic", callback=inbox
        )
    keys = dict.fromkeys(key for _, key, _ in TOPIC_PAIRS)
    await asyncio.gather(
        *(chan.publish(exchange_name="log", msg=key, routing_key=key) for key in keys)
    )
    await conn.process_events(num_cycles=1)
    seen = [(pattern, key, key in inboxes[pattern].bodies) for pattern, key, _ in TOPIC_PAIRS]
    assert seen == TOPIC_PAIRS
    for inbox in inboxes.values():
        assert len(set(inbox.bodies)) == len(inbox.bodies)


async def test_direct_exchange_compares_whole_keys(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    keys = ["", "a", "a.b", "A", "*", "#", "a.*"]
    for key in keys:
        await make_queue(conn, f"q:{keys.index(key)}", key)
    for key in keys:
        await chan.publish(exchange_name="log", msg=key, routing_key=key)
    for key in keys:
        assert await bodies_of(chan, f"q:{keys.index(key)}") == [key]


async def test_fanout_exchange_routes_to_every_queue(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    for queue_name, keys in {"q1": "x", "q2": "y", "q3": ""}.items():
        await make_queue(conn, queue_name, keys, exchange_type="fanout")
    await chan.publish(exchange_name="log", msg="hello", routing_key="z")
    for queue_name in ("q1", "q2", "q3"):
        assert await bodies_of(chan, queue_name) == ["hello"]


@pytest.mark.parametrize("exchange_type", ["direct", "fanout", "topic"])
async def test_delivery_has_its_routing_key_and_exchange(
    conn: mooq.Connection, chan: mooq.Channel, exchange_type: str
) -> None:
    await make_queue(conn, "q", ["a.b", "other"], exchange_type=exchange_type)
    await chan.publish(exchange_name="log", msg=1, routing_key="a.b")
    message = await chan.get("q")
    assert message["routing_key"] == "a.b"
    assert message["exchange_name"] == "log"


async def test_queue_gets_one_copy_for_several_bindings(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    keys = ["#", "a.*", "*.b", "a.b", "a.b"]
    await make_queue(conn, "topic", keys, exchange_type="topic")
    await make_queue(conn, "fanout", keys, exchange_name="all", exchange_type="fanout")
    await chan.publish(exchange_name="log", msg="once", routing_key="a.b")
    await chan.publish(exchange_name="all", msg="once", routing_key="a.b")
    assert await bodies_of(chan, "topic") == ["once"]
    assert await bodies_of(chan, "fanout") == ["once"]


async def test_every_matching_queue_gets_a_copy(conn: mooq.Connection, chan: mooq.Channel) -> None:
    for queue_name, key in {"exact": "a.b", "star": "a.*", "other": "b.*"}.items():
        await make_queue(conn, queue_name, key, exchange_type="topic")
    await chan.publish(exchange_name="log", msg=[1, {"two": 2}], routing_key="a.b")
    assert await bodies_of(chan, "exact") == [[1, {"two": 2}]]
    assert await bodies_of(chan, "star") == [[1, {"two": 2}]]
    assert await bodies_of(chan, "other") == []


async def test_queue_may_be_bound_to_two_exchanges(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q", "k", exchange_name="one", exchange_type="direct")
    await make_queue(conn, "q", "#", exchange_name="two", exchange_type="topic")
    await chan.publish(exchange_name="one", msg="from one", routing_key="k")
    await chan.publish(exchange_name="two", msg="from two", routing_key="any")
    assert await bodies_of(chan, "q") == ["from one", "from two"]


async def test_later_registration_adds_routing_keys(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q", "early")
    await make_queue(conn, "q", "late")
    for key in ("early", "late", "never"):
        await chan.publish(exchange_name="log", msg=key, routing_key=key)
    assert await bodies_of(chan, "q") == ["early", "late"]


async def test_str_is_a_single_routing_key(conn: mooq.Connection, chan: mooq.Channel) -> None:
    await make_queue(conn, "q", "ab")
    for key in ("a", "b", "ab"):
        await chan.publish(exchange_name="log", msg=key, routing_key=key)
    assert await bodies_of(chan, "q") == ["ab"]


async def test_routing_keys_may_be_an_iterator(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = Inbox()
    await chan.register_consumer(
        "q", iter(("a", "b")), exchange_name="log", exchange_type="direct", callback=inbox
    )
    for key in ("a", "b", "c"):
        await chan.publish(exchange_name="log", msg=key, routing_key=key)
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == ["a", "b"]


async def test_default_exchange_routes_by_queue_name(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q", "not the name")
    await chan.publish(exchange_name="", msg="by name", routing_key="q")
    await chan.publish(exchange_name="", msg="to nobody", routing_key="Q")
    message = await chan.get("q")
    assert message["msg"] == "by name"
    assert message["exchange_name"] == ""
    assert message["routing_key"] == "q"
    assert await bodies_of(chan, "q") == []


async def test_server_named_queue_is_reached_by_its_name(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = Inbox()
    queue_name = await chan.register_consumer(
        exchange_name="log", exchange_type="direct", callback=inbox
    )
    assert queue_name.startswith("amq.gen-")
    assert len(queue_name) == len("amq.gen-") + 22
    async with processing(conn):
        await chan.publish(exchange_name="", msg="reply", routing_key=queue_name)
        assert await inbox.has(1) == ["reply"]


async def test_unroutable_message_is_confirmed_and_dropped(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q", "k")
    await chan.publish(exchange_name="log", msg="lost", routing_key="nobody")
    await make_queue(conn, "q", "nobody")
    assert await bodies_of(chan, "q") == []


async def test_unroutable_mandatory_message_raises_an_error(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q", "k")
    with pytest.raises(mooq.MessageUnroutable, match=r"'log'.* has no queue bound"):
        await chan.publish(exchange_name="log", msg=1, routing_key="nobody", mandatory=True)
    with pytest.raises(mooq.MessageUnroutable, match="exchange ''"):
        await chan.publish(exchange_name="", msg=2, routing_key="no-such-queue", mandatory=True)
    await chan.publish(exchange_name="log", msg=3, routing_key="k", mandatory=True)
    assert await bodies_of(chan, "q") == [3]


async def test_only_unroutable_mandatory_publishes_fail(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q", "k")
    outcomes = await asyncio.gather(
        *(
            chan.publish(
                exchange_name="log",
                msg=number,
                routing_key="nobody" if number % 3 == 0 else "k",
                mandatory=True,
                message_id=f"number {number % 4}",  # several of one id at a time
            )
            for number in range(24)
        ),
        return_exceptions=True,
    )
    failed = [number for number, outcome in enumerate(outcomes) if outcome is not None]
    assert failed == list(range(0, 24, 3))
    assert {type(outcomes[number]) for number in failed} == {mooq.MessageUnroutable}
    assert sorted(await bodies_of(chan, "q")) == [n for n in range(24) if n % 3]


async def test_predefined_exchanges_can_be_published_to(chan: mooq.Channel) -> None:
    for name in ("amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"):
        await chan.publish(exchange_name=name, msg="to nobody", routing_key="k")


async def test_virtual_hosts_are_isolated(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    name = "virtual-hosts-share-nothing"
    await make_queue(conn, name, exchange_name=name)
    await chan.publish(exchange_name=name, msg="ours")
    elsewhere = await (await connect(virtual_host="/")).create_channel()
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await elsewhere.get(name)
    with pytest.raises(mooq.ExchangeNotFound):
        await elsewhere.publish(exchange_name=name, msg="theirs")
    assert await bodies_of(chan, name) == ["ours"]
