"""declare_exchange(), declare_queue(), bind_queue() and consume()."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from aio_pika.abc import AbstractChannel

import mooq
from mooq.testing.faults import Faults
from tests.integration.inbox import Inbox
from tests.integration.steps import make_queue, processing

ARGUMENTS: list[dict[str, Any]] = [
    mooq.queue_arguments(message_ttl=60),
    mooq.queue_arguments(expires=600),
    mooq.queue_arguments(max_length=5, overflow="reject-publish"),
    mooq.queue_arguments(max_length_bytes=1000),
    mooq.queue_arguments(max_priority=3),
    mooq.queue_arguments(queue_type="quorum", delivery_limit=2),
    mooq.queue_arguments(single_active_consumer=True),
    mooq.queue_arguments(dead_letter_exchange="", dead_letter_routing_key="dead"),
    {"x-queue-mode": "lazy", "mine": "yes"},
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda one: " ".join(one))
async def test_foreign_queue_is_consumed_with_its_arguments(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel, arguments: dict[str, Any]
) -> None:
    await peer.declare_queue("q", durable=True, arguments=arguments)
    inbox = Inbox()
    await chan.register_consumer(
        "q", exchange_name="e", exchange_type="fanout", callback=inbox, queue_arguments=arguments
    )
    async with processing(conn):
        await chan.publish(exchange_name="e", msg=1)
        assert await inbox.has(1) == [1]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda one: " ".join(one))
async def test_consume_accepts_any_queue_arguments(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel, arguments: dict[str, Any]
) -> None:
    await peer.declare_queue("q", durable=True, arguments=arguments)
    inbox = Inbox()
    await chan.consume("q", inbox)
    async with processing(conn):
        await chan.publish(exchange_name="", routing_key="q", msg=1)
        assert await inbox.has(1) == [1]


async def test_declared_queue_needs_no_consumer(conn: mooq.Connection, chan: mooq.Channel) -> None:
    await chan.declare_exchange("e", "topic")
    await chan.declare_queue("q")
    await chan.bind_queue("q", "e", "a.*")
    await chan.publish(exchange_name="e", routing_key="a.b", msg=1)
    await chan.publish(exchange_name="e", routing_key="b", msg=2)
    assert (await chan.get("q"))["msg"] == 1
    with pytest.raises(mooq.NothingToConsume):
        await chan.get("q")


@pytest.mark.parametrize(
    ("match", "headers", "arrives"),
    [
        ("all", {"a": 1, "b": "x", "c": 0}, True),
        ("all", {"a": 1}, False),
        ("any", {"a": 1}, True),
        ("any", {"a": 2}, False),
    ],
)
async def test_headers_exchange_matches_headers(
    conn: mooq.Connection, chan: mooq.Channel, match: str, headers: dict[str, Any], arrives: bool
) -> None:
    inbox = Inbox()
    await chan.register_consumer(
        "q",
        exchange_name="e",
        exchange_type="headers",
        callback=inbox,
        binding_arguments={"x-match": match, "a": 1, "b": "x"},
    )
    await chan.publish(exchange_name="e", msg=1, headers=headers)
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == [1] * arrives


async def test_unrouted_message_goes_to_alternate_exchange(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "lost", exchange_name="others", exchange_type="fanout")
    await chan.declare_exchange("e", "direct", arguments={"alternate-exchange": "others"})
    await chan.publish(exchange_name="e", routing_key="nobody", msg=1)
    assert (await chan.get("lost"))["msg"] == 1


async def test_auto_delete_queue_ends_with_its_last_consumer(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await chan.declare_queue("q", durable=False, exclusive=True, auto_delete=True)
    async with await conn.create_channel() as other:
        await other.consume("q", Inbox())
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get("q")


@pytest.mark.parametrize(
    ("declared", "asked", "said"),
    [
        ({"arguments": {"x-max-length": 5}}, {}, "its x-max-length is 5, and none was asked for"),
        ({}, {"arguments": {"x-max-length": 5}}, "its x-max-length is none, and 5 was asked for"),
        (
            {"auto_delete": True},
            {},
            "its auto_delete is true, .* pass auto_delete=True to declare_queue",
        ),
    ],
)
async def test_queue_mismatch_names_property_and_remedy(
    chan: mooq.Channel, declared: dict[str, Any], asked: dict[str, Any], said: str
) -> None:
    await chan.declare_queue("q", **declared)
    with pytest.raises(mooq.BadQueue, match=said) as raised:
        await chan.declare_queue("q", **asked)
    assert "or take the queue as it is by consume()" in str(raised.value)


async def test_refused_queue_arguments_have_rabbitmq_text(chan: mooq.Channel) -> None:
    with pytest.raises(mooq.BadQueue, match=r"has invalid arguments: correct them \[.*x-max-le"):
        await chan.declare_queue("q", arguments={"x-max-length": -1})


async def test_bind_queue_refuses_missing_names(chan: mooq.Channel) -> None:
    await chan.declare_queue("q")
    with pytest.raises(mooq.ExchangeNotFound):
        await chan.bind_queue("q", "nothing")
    await chan.declare_exchange("e", "fanout")
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.bind_queue("nothing", "e")


async def test_consuming_a_missing_queue_is_refused(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = Inbox()
    await chan.register_consumer("q", exchange_name="e", exchange_type="fanout", callback=inbox)
    await chan.publish(exchange_name="e", msg=1)
    with pytest.raises(mooq.ConsumerQueueNotFound, match=r"'nothing'.* does not exist: declare"):
        await chan.consume("nothing", Inbox())
    await conn.process_events(num_cycles=1)
    assert [(one["msg"], one["redelivered"]) for one in inbox.messages] == [(1, False)]


async def test_declarations_are_restored_after_reconnecting(
    mooq_faults: Faults,
) -> None:
    async with await mooq.connect(**mooq_faults.arguments) as conn:
        chan = await conn.create_channel()
        inbox = Inbox()
        await chan.declare_exchange("e", "headers")
        await chan.declare_queue("q", durable=False, exclusive=True)
        await chan.bind_queue("q", "e", arguments={"a": 1})
        await chan.consume("q", inbox)
        async with processing(conn):
            await chan.publish(exchange_name="e", msg=1, headers={"a": 1})
            await inbox.has(1)
            mooq_faults.cut()
            with suppress(mooq.PublishUnconfirmed):  # sent before the loss was noticed
                await chan.publish(exchange_name="e", msg=2, headers={"a": 1})
            await chan.publish(exchange_name="e", msg=2, headers={"a": 1}, mandatory=True)
            await inbox.has_that(lambda: 2 in inbox.bodies, "the second message")


async def failed_in_the_end(conn: mooq.Connection, chan: mooq.Channel, msg: str) -> None:
    """Publish a message to queue ``q``, whose callback fails, until it is rejected."""
    await chan.publish(exchange_name="", routing_key="q", msg=msg)
    with pytest.raises(ExceptionGroup):  # both attempts fail
        await conn.process_events(num_cycles=2)


@pytest.mark.mooq_allow_failures
async def test_log_leaves_dead_lettering_open_for_consume(
    conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    await make_queue(conn, "dead", "q", exchange_name="graves")
    await chan.declare_queue("q", arguments={"x-dead-letter-exchange": "graves"})
    await chan.consume("q", fail)
    await failed_in_the_end(conn, chan, "bad")
    assert (await chan.get("dead", timeout=30))["msg"] == "bad"
    assert (
        "rejected: dead-lettered if its queue has a dead-letter exchange, else discarded"
        in caplog.text
    )


@pytest.mark.mooq_allow_failures
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("dead", "dead-lettered to exchange ''"),
        ("nobody", "dropped, since its dead-letter exchange is the default one, and no queue is"),
    ],
)
async def test_log_uses_the_dead_letter_routing_key(
    conn: mooq.Connection,
    chan: mooq.Channel,
    caplog: pytest.LogCaptureFixture,
    key: str,
    said: str,
) -> None:
    await chan.declare_queue("dead")
    await chan.register_consumer(
        "q",
        exchange_name="e",
        exchange_type="fanout",
        callback=fail,
        queue_arguments=mooq.queue_arguments(dead_letter_exchange="", dead_letter_routing_key=key),
    )
    await failed_in_the_end(conn, chan, "bad")
    assert said in caplog.text


async def fail(message: mooq.IncomingMessage) -> None:
    raise ValueError(message["msg"])
