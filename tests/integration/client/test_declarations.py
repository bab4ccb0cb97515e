"""Declaration of exchanges, queues and bindings, and refusals without side effects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import mooq
from tests.conftest import BrokerAddress
from tests.integration.foreign import foreigner
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.steps import bodies_of, consume, make_queue, processing


@pytest.fixture
async def undisturbed(conn: mooq.Connection, chan: mooq.Channel) -> AsyncIterator[mooq.Channel]:
    """A channel whose consumer must not be disturbed by the test's refused calls."""
    inbox = Inbox()
    await chan.register_consumer(
        "undisturbed", "k", exchange_name="quiet", exchange_type="direct", callback=inbox
    )
    async with processing(conn):
        await chan.publish(exchange_name="quiet", msg="before", routing_key="k")
        await inbox.has(1)
        yield chan
        await chan.publish(exchange_name="quiet", msg="after", routing_key="k")
        assert await inbox.has(2) == ["before", "after"]
    assert [message["redelivered"] for message in inbox.messages] == [False, False]


async def refused_as_consumer(
    channel: mooq.Channel, error: type[Exception], text: str, **arguments: Any
) -> None:
    """Check that registering a consumer of queue ``q`` is refused and leaves nothing behind."""
    with pytest.raises(error, match=text):
        await channel.register_consumer(
            **{
                "queue_name": "q",
                "exchange_name": "log",
                "exchange_type": "direct",
                "callback": Inbox(),
                **arguments,
            }
        )
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await channel.get("q")


async def test_repeated_declaration_is_harmless(conn: mooq.Connection, chan: mooq.Channel) -> None:
    for _ in range(2):
        await chan.register_producer(exchange_name="log", exchange_type="topic")
        await make_queue(conn, "q", ["a", "b"], exchange_type="topic")
    await chan.publish(exchange_name="log", msg=1, routing_key="a")
    assert await bodies_of(chan, "q") == [1]


async def test_exchange_of_another_type_raises_bad_exchange(
    undisturbed: mooq.Channel, broker_address: BrokerAddress
) -> None:
    await undisturbed.register_producer(exchange_name="log", exchange_type="direct")
    host, port, virtual_host = (broker_address[key] for key in ("host", "port", "virtual_host"))
    with pytest.raises(mooq.BadExchange) as caught:
        await undisturbed.register_producer(exchange_name="log", exchange_type="fanout")
    assert str(caught.value) == (
        f"exchange 'log' at {host}:{port}, virtual host '{virtual_host}', exists already, but not "
        "like this: use the type it has, or another name [PRECONDITION_FAILED - inequivalent arg "
        f"'type' for exchange 'log' in vhost '{virtual_host}': received 'fanout' but current is "
        "'direct']"
    )
    await refused_as_consumer(
        undisturbed, mooq.BadExchange, "exists already", exchange_type="topic", routing_keys="#"
    )
    await undisturbed.publish(exchange_name="log", msg="still direct")


async def test_other_dead_letter_exchange_raises_bad_queue(
    conn: mooq.Connection, undisturbed: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await undisturbed.register_producer(exchange_name="graves", exchange_type="direct")
    arguments: dict[str, Any] = {"exchange_name": "log", "exchange_type": "direct"}
    inbox = Inbox()
    with pytest.raises(
        mooq.BadQueue,
        match=r"queue 'q' at .*, exists already, but not like this: .*inequivalent arg "
        r"'x-dead-letter-exchange' for queue 'q' in vhost .*: received the value 'graves' of type "
        r"'longstr' but current is none\]$",
    ):
        await undisturbed.register_consumer(
            "q", **arguments, callback=inbox, dead_letter_exchange="graves"
        )
    await undisturbed.publish(exchange_name="log", msg="not consumed")
    assert await bodies_of(undisturbed, "q") == ["not consumed"]
    assert inbox.bodies == []


async def test_foreign_transient_queue_raises_bad_queue(
    undisturbed: mooq.Channel, broker_address: BrokerAddress
) -> None:
    async with foreigner(broker_address) as foreign:
        await foreign.declare_queue("q", durable=False, exclusive=False)
        with pytest.raises(mooq.BadQueue, match="inequivalent arg 'durable' for queue 'q'"):
            await consume(undisturbed, Inbox())


async def test_foreign_exclusive_queue_raises_bad_queue(
    undisturbed: mooq.Channel, broker_address: BrokerAddress
) -> None:
    async with foreigner(broker_address) as foreign:
        await foreign.declare_queue("q", durable=False, exclusive=True)
        text = "queue 'q' at .* is exclusive to another connection"
        with pytest.raises(mooq.BadQueue, match=text):
            await consume(undisturbed, Inbox())
        with pytest.raises(mooq.BadQueue, match=text):
            await undisturbed.get("q")
        with pytest.raises(mooq.BadQueue, match=text):
            await undisturbed.get("q", timeout=LONGEST_WAIT)
        with pytest.raises(mooq.BadQueue, match=text):
            await undisturbed.delete_queue("q")
    # The queue ended with its connection, so the name is free.
    await consume(undisturbed, Inbox())


@pytest.mark.parametrize(
    ("exchange_name", "text"),
    [
        ("", "the default exchange '' exists already; give yours a name"),
        ("amq.mine", "exchange name 'amq.mine' begins with 'amq.'"),
        ("amq.topic", "exchange name 'amq.topic' begins with 'amq.'"),
        ("x" * 128, r"exchange name 'x{30}'… has 128 characters; at most 127"),
        ("é", "exchange name 'é' holds 'é'; only ASCII letters"),
        ("a\nb", r"exchange name 'a\\nb' holds '\\n'"),
        ("a\x00", r"exchange name 'a\\x00' holds '\\x00'"),
        (None, "exchange name must be a str, not NoneType"),
        (b"log", "exchange name must be a str, not bytes"),
        (["log"], "exchange name must be a str, not list"),
    ],
)
async def test_invalid_exchange_name_raises_bad_exchange(
    undisturbed: mooq.Channel, exchange_name: Any, text: str
) -> None:
    with pytest.raises(mooq.BadExchange, match=text):
        await undisturbed.register_producer(exchange_name=exchange_name, exchange_type="direct")
    await refused_as_consumer(undisturbed, mooq.BadExchange, text, exchange_name=exchange_name)


@pytest.mark.parametrize("exchange_type", ["DIRECT", "", "x-delayed-message", None, 1])
async def test_unknown_exchange_type_raises_bad_exchange(
    undisturbed: mooq.Channel, exchange_type: Any
) -> None:
    text = f"exchange 'log' has the unknown type {exchange_type!r}; choose one of direct, fanout"
    with pytest.raises(mooq.BadExchange, match=text):
        await undisturbed.register_producer(exchange_name="log", exchange_type=exchange_type)
    await refused_as_consumer(undisturbed, mooq.BadExchange, text, exchange_type=exchange_type)
    with pytest.raises(mooq.ExchangeNotFound):
        await undisturbed.publish(exchange_name="log", msg=1)


@pytest.mark.parametrize(
    ("queue_name", "text"),
    [
        ("", "queue name is empty"),
        ("amq.gen-mine", "queue name 'amq.gen-mine' begins with 'amq.'"),
        ("x" * 256, r"queue name 'x{30}'… has 256 characters; at most 255"),
        ("é", "queue name 'é' holds 'é'"),
        ("a\n", r"queue name 'a\\n' holds '\\n'"),
        (5, "queue name must be a str, not int"),
        (["q"], "queue name must be a str, not list"),
    ],
)
async def test_invalid_queue_name_raises_bad_queue(
    undisturbed: mooq.Channel, queue_name: Any, text: str
) -> None:
    await refused_as_consumer(undisturbed, mooq.BadQueue, text, queue_name=queue_name)
    with pytest.raises(mooq.ExchangeNotFound):
        await undisturbed.publish(exchange_name="log", msg=1)


async def test_longest_names_and_keys_are_accepted(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    exchange_name, queue_name, key = "x" * 127, "q" * 255, "é" * 127 + "k"
    await make_queue(conn, queue_name, key, exchange_name=exchange_name)
    await chan.publish(exchange_name=exchange_name, msg=1, routing_key=key)
    message = await chan.get(queue_name)
    assert message["exchange_name"] == exchange_name
    assert message["routing_key"] == key


async def test_every_allowed_name_character_is_accepted(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    name = "a Z0-_.:@#,/+"
    await make_queue(conn, name, name, exchange_name=name)
    await chan.publish(exchange_name=name, msg=1, routing_key=name)
    assert await bodies_of(chan, name) == [1]
    await chan.delete_queue(name)
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get(name)


@pytest.mark.parametrize(
    ("routing_keys", "error", "text"),
    [
        ([], ValueError, "routing_keys is empty"),
        (5, TypeError, "routing_keys must be a str or an iterable of str"),
        (None, TypeError, "routing_keys must be a str or an iterable of str"),
        (["a", 5], TypeError, "routing_keys must be a str .* must be a str, not int"),
        (b"ab", TypeError, "routing_keys must be a str .* must be a str, not int"),
        (["x" * 256], ValueError, r"routing key 'x{30}'… has 256 bytes; at most 255"),
        (["é" * 128], ValueError, "has 256 bytes; at most 255"),
        (["ok", "#.a.#.b.#"], ValueError, r"routing key '#\.a\.#\.b\.#' holds 3 '#' words"),
        ("#.#.#.#", ValueError, "holds 4 '#' words; RabbitMQ allows at most 2"),
    ],
)
async def test_invalid_routing_keys_are_refused(
    undisturbed: mooq.Channel, routing_keys: Any, error: type[Exception], text: str
) -> None:
    await refused_as_consumer(
        undisturbed, error, text, routing_keys=routing_keys, exchange_type="topic"
    )


async def test_hash_words_are_literal_in_a_direct_exchange(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "direct", "#.#.#")
    await make_queue(conn, "fanout", "#.#.#", exchange_name="all", exchange_type="fanout")
    await make_queue(conn, "topic", "a#.b#.##", exchange_name="some", exchange_type="topic")
    await chan.publish(exchange_name="log", msg=1, routing_key="#.#.#")
    await chan.publish(exchange_name="some", msg=2, routing_key="a#.b#.##")
    assert await bodies_of(chan, "direct") == [1]
    assert await bodies_of(chan, "topic") == [2]


async def test_fanout_exchange_needs_no_routing_key(
    conn: mooq.Connection, undisturbed: mooq.Channel
) -> None:
    await make_queue(conn, "all", [], exchange_name="all", exchange_type="fanout")
    await undisturbed.publish(exchange_name="all", msg=1)
    assert await bodies_of(undisturbed, "all") == [1]
    await refused_as_consumer(
        undisturbed, TypeError, "must be a str", exchange_type="fanout", routing_keys=[5]
    )


@pytest.mark.parametrize(
    ("prefetch_count", "error", "text"),
    [
        (0, ValueError, "prefetch_count must be between 1 and 65535, not 0"),
        (-1, ValueError, "not -1"),
        (65536, ValueError, "not 65536"),
        (1.0, TypeError, "prefetch_count must be an int, not float"),
        (True, TypeError, "prefetch_count must be an int, not bool"),
        ("1", TypeError, "prefetch_count must be an int, not str"),
        (None, TypeError, "prefetch_count must be an int, not NoneType"),
    ],
)
async def test_invalid_prefetch_count_is_refused(
    undisturbed: mooq.Channel, prefetch_count: Any, error: type[Exception], text: str
) -> None:
    await refused_as_consumer(undisturbed, error, text, prefetch_count=prefetch_count)


async def test_largest_prefetch_count_is_accepted(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, Inbox(), prefetch_count=65535)
    await chan.publish(exchange_name="log", msg=1)
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == [1]


async def test_refused_server_named_queue_is_not_left_behind(
    undisturbed: mooq.Channel,
) -> None:
    await undisturbed.register_producer(exchange_name="log", exchange_type="fanout")
    refused: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (mooq.BadExchange, "holds 'é'", {"dead_letter_exchange": "é"}),
        (mooq.BadExchange, "exists already", {"exchange_type": "topic", "routing_keys": "#"}),
        (ValueError, "prefetch_count", {"prefetch_count": 0}),
        (TypeError, "callback must be callable", {"callback": None}),
    ]
    for error, text, arguments in refused:
        await refused_as_consumer(
            undisturbed, error, text, **{"exchange_type": "fanout", **arguments}, queue_name=None
        )
    with pytest.raises(mooq.MessageUnroutable):
        await undisturbed.publish(exchange_name="log", msg=1, mandatory=True)


async def test_register_consumer_returns_its_queue_name(chan: mooq.Channel) -> None:
    arguments: dict[str, Any] = {
        "exchange_name": "log",
        "exchange_type": "direct",
        "callback": Inbox(),
    }
    assert await chan.register_consumer("q", **arguments) == "q"
    names = {await chan.register_consumer(**arguments) for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("amq.gen-") for name in names)


async def test_concurrent_declarations_are_independent(
    undisturbed: mooq.Channel,
) -> None:
    inboxes = [Inbox() for _ in range(10)]
    outcomes = await asyncio.gather(
        *(
            undisturbed.register_consumer(
                f"q{number}",
                exchange_name="quiet" if number % 3 == 0 else "log",
                exchange_type="fanout",
                callback=inboxes[number],
            )
            for number in range(10)
        ),
        return_exceptions=True,
    )
    refused = [number for number in range(10) if number % 3 == 0]
    for number, outcome in enumerate(outcomes):
        if number in refused:
            assert isinstance(outcome, mooq.BadExchange)
        else:
            assert outcome == f"q{number}"
    await undisturbed.publish(exchange_name="log", msg="all")
    for number in range(10):
        if number not in refused:
            assert await inboxes[number].has(1) == ["all"]


async def test_deleting_a_missing_queue_is_allowed(chan: mooq.Channel) -> None:
    await chan.delete_queue("never declared")


async def test_deleted_queue_loses_messages_and_bindings(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q", "k")
    await chan.publish(exchange_name="log", msg="gone", routing_key="k")
    await chan.delete_queue("q")
    with pytest.raises(mooq.MessageUnroutable):
        await chan.publish(exchange_name="log", msg=1, routing_key="k", mandatory=True)
    await make_queue(conn, "q", "other")
    await chan.publish(exchange_name="log", msg="no", routing_key="k")
    assert await bodies_of(chan, "q") == []


async def test_topic_consumer_needs_routing_keys(chan: mooq.Channel) -> None:
    callback = Inbox()
    with pytest.raises(ValueError, match=r"^exchange 'log' is a topic exchange and routing_keys"):
        await chan.register_consumer(exchange_name="log", exchange_type="topic", callback=callback)
    await chan.register_consumer(
        "only-empty-keys", [""], exchange_name="log", exchange_type="topic", callback=callback
    )
