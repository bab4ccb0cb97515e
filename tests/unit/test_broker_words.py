"""Refusal texts of the in-memory broker: value types, exchanges and queues."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mooq.broker import values
from mooq.broker.erlang import erlang_term
from mooq.broker.values import same_value, type_name
from tests.unit.verbs import (
    QUORUM,
    channel_of,
    connect,
    consume,
    declare,
    exchange,
    new_broker,
    publish,
    refused,
    rest,
    told,
)

TYPES: list[tuple[Any, str]] = [
    ("s", "longstr"),
    (values.LongBytes(b"\xff"), "longstr"),
    (True, "bool"),
    (1, "signedint"),
    (2**31 - 1, "signedint"),
    (-(2**31), "signedint"),
    (2**31, "long"),
    (-(2**31) - 1, "long"),
    (values.SignedInt(1), "signedint"),
    (values.Long(1), "long"),
    (values.Byte(1), "byte"),
    (values.UnsignedByte(1), "unsignedbyte"),
    (values.Short(1), "short"),
    (values.UnsignedShort(1), "unsignedshort"),
    (values.UnsignedInt(1), "unsignedint"),
    (1.0, "double"),
    (values.Float(1.0), "float"),
    (values.AmqpDecimal(1, 2), "decimal"),
    (values.Timestamp(1), "timestamp"),
    (datetime.now(UTC), "timestamp"),
    ({}, "table"),
    ([], "array"),
    ((), "array"),
    (b"", "binary"),
    (bytearray(), "binary"),
    (None, "void"),
]


@pytest.mark.parametrize(("value", "name"), TYPES)
def test_value_type_has_its_rabbitmq_name(value: Any, name: str) -> None:
    assert type_name(value) == name


def test_same_values_have_same_type_and_content() -> None:
    assert same_value(1, 1)
    assert not same_value(1, 2)
    assert not same_value(1, values.Long(1))
    assert not same_value(1, True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "undefined"),
        (True, "true"),
        (False, "false"),
        (5, "5"),
        ("", "<<>>"),
        ("a", '<<"a">>'),
        ("é", '<<"é"/utf8>>'),
        ({"a": 1, "b": "c"}, '[{<<"a">>,signedint,1},{<<"b">>,longstr,<<"c">>}]'),
        (values.AmqpDecimal(1, 5), "{1,5}"),
        ([1, "é"], '[{signedint,1},{longstr,<<"é"/utf8>>}]'),
    ],
)
def test_value_is_shown_as_an_erlang_term(value: Any, shown: str) -> None:
    assert erlang_term(value, marks_utf8=True) == shown
    assert erlang_term(value, marks_utf8=False) == shown.replace("/utf8", "")


def test_exchange_refusals_match_rabbitmq() -> None:
    channel = channel_of("4.3")
    exchange(channel, "e", arguments={"alternate-exchange": "a"})
    exchange(channel, "i", internal=True)
    exchange(channel, "t", "topic")
    declare(channel)
    channel.queue_bind("q", "t", "#.#", {})
    inequivalent = "PRECONDITION_FAILED - inequivalent arg '{}' for exchange 'e' in vhost '/': "
    same = {"alternate-exchange": "a"}
    words = {
        inequivalent.format("type") + "received 'fanout' but current is 'direct'": lambda: exchange(
            channel, "e", "fanout", arguments=same
        ),
        inequivalent.format("type")
        + "received ''x-local-random'' but current is 'direct'": lambda: exchange(
            channel, "e", "x-local-random"
        ),
        inequivalent.format("durable") + "received 'false' but current is 'true'": lambda: exchange(
            channel, "e", durable=False
        ),
        inequivalent.format("auto_delete") + "received 'true' but current is 'false'": lambda: (
            exchange(channel, "e", auto_delete=True)
        ),
        inequivalent.format("internal") + "received 'true' but current is 'false'": lambda: (
            exchange(channel, "e", internal=True)
        ),
        inequivalent.format("alternate-exchange") + "received 'b' but current is 'a'": lambda: (
            exchange(channel, "e", arguments={"alternate-exchange": "b"})
        ),
        "ACCESS_REFUSED - exchange name 'amq.e' contains reserved prefix 'amq.*'": lambda: exchange(
            channel, "amq.e"
        ),
        "ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'": lambda: declare(
            channel, "amq.q"
        ),
        "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed": (
            lambda: channel.exchange_delete("amq.topic", if_unused=False)
        ),
        "ACCESS_REFUSED - cannot publish to internal exchange 'i' in vhost '/'": lambda: publish(
            channel, exchange="i"
        ),
        "ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'": (
            lambda: publish(channel, exchange="amq.rabbitmq.trace")
        ),
        "PRECONDITION_FAILED - exchange 't' in vhost '/' in use": lambda: channel.exchange_delete(
            "t", if_unused=True
        ),
        "PRECONDITION_FAILED - Topic binding key '#.a.#.#' uses 3 '#' wildcards, at most 2 are "
        "allowed": lambda: channel.queue_bind("q", "t", "#.a.#.#", {}),
    }
    for text, act in words.items():
        assert refused(act) == text
    exchange(channel, "e", arguments=same)


def test_queue_refusals_match_rabbitmq() -> None:
    broker = new_broker("4.0")
    channel, other = connect(broker).channel(1), connect(broker).channel(1)
    declare(channel)
    declare(channel, "mine", exclusive=True)
    declare(channel, "mine", exclusive=True, durable=False)
    assert refused(lambda: declare(channel, durable=False)) == (
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received "
        "'false' but current is 'true'"
    )
    assert refused(lambda: declare(channel, auto_delete=True)) == (
        "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'q' in vhost '/': received "
        "'true' but current is 'false'"
    )
    assert refused(lambda: declare(channel, arguments=QUORUM)) == (
        "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': "
        "received 'quorum' but current is 'classic'"
    )
    assert refused(lambda: declare(other, "mine")).startswith("RESOURCE_LOCKED - ")
    assert refused(lambda: declare(channel, "mine")).startswith("RESOURCE_LOCKED - ")
    consume(channel, exclusive=True)
    in_use = "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"
    assert refused(lambda: consume(other)) == in_use
    channel.basic_cancel("c")
    consume(other)
    assert refused(lambda: consume(channel, exclusive=True)) == in_use
    assert refused(lambda: declare(channel, "s", {"x-queue-type": "stream"})) == (
        "NOT_IMPLEMENTED - queue 's' in vhost '/' cannot be a stream: mooq's in-memory broker has "
        "none; use RabbitMQ"
    )
    assert declare(channel, "mine", exclusive=True, durable=False).name == "mine"


def test_reply_consumer_refusals_match_rabbitmq() -> None:
    channel = channel_of()
    replies = "amq.rabbitmq.reply-to"
    assert refused(lambda: consume(channel, replies)) == (
        "PRECONDITION_FAILED - reply consumer cannot acknowledge"
    )
    consume(channel, replies, "r", no_ack=True)
    assert refused(lambda: consume(channel, replies, "s", no_ack=True)) == (
        "PRECONDITION_FAILED - reply consumer already set"
    )
    channel.basic_cancel("r")
    consume(channel, replies, "s", no_ack=True)


def test_alternate_exchange_gets_unrouted_messages() -> None:
    channel = channel_of()
    exchange(channel, "e", arguments={"alternate-exchange": "amq.fanout"})
    exchange(channel, "d", arguments={"alternate-exchange": ""})
    for name in "ab":
        declare(channel, name)
    channel.queue_bind("a", "e", "k", {})
    channel.queue_bind("b", "amq.fanout", "", {})
    publish(channel, "0", exchange="e", key="k")
    publish(channel, "1", exchange="e", key="other")
    publish(channel, "2", exchange="d", key="a", headers={"CC": ["nowhere", "b"]})
    assert (rest(channel, "a"), rest(channel, "b")) == (["0", "2"], ["1", "2"])


@pytest.mark.parametrize("header", ["CC", "BCC"])
@pytest.mark.parametrize(("value", "kind"), [("q", "longstr"), (None, "void"), (1, "signedint")])
def test_cc_and_bcc_headers_must_be_lists(header: str, value: Any, kind: str) -> None:
    channel = channel_of()
    declare(channel)
    assert refused(lambda: publish(channel, headers={header: value})) == (
        f'PRECONDITION_FAILED - invalid message: {{unacceptable_type_in_header,"{header}",{kind}}}'
    )
    publish(channel, key="nowhere", headers={header: ["q", 1, "q"]})
    assert rest(channel) == ["m"]


def test_deleted_exclusive_queue_frees_its_name() -> None:
    broker = new_broker()
    channel, other = connect(broker).channel(1), connect(broker).channel(1)
    declare(channel, exclusive=True)
    channel.queue_delete("q", if_unused=False, if_empty=False)
    assert not channel.connection.exclusive_queues
    declare(other)
    channel.connection.close()
    publish(other)
    assert rest(other) == ["m"]


def test_deleting_an_exchange_removes_its_bindings() -> None:
    channel = channel_of()
    exchange(channel, "e", "fanout")
    exchange(channel, "auto", auto_delete=True)
    declare(channel)
    channel.queue_bind("q", "e", "", {})
    channel.exchange_bind("e", "auto", "k", {})
    publish(channel, exchange="auto", key="k")
    channel.exchange_delete("e", if_unused=False)
    assert rest(channel) == ["m"]
    exchanges = channel.connection.host.exchanges
    assert ("e" in exchanges, "auto" in exchanges) == (False, False)
    exchange(channel, "e", "fanout")
    publish(channel, exchange="e", mandatory=True)
    assert told(channel.connection.broker) == ["returned 312 NO_ROUTE: m"]


def test_restart_closes_connections_with_a_reason() -> None:
    broker = new_broker()
    connect(broker)
    broker.restart()
    assert told(broker) == [
        "ConnectionClosed: CONNECTION_FORCED - broker forced connection closure with reason "
        "'shutdown'"
    ]


@pytest.mark.parametrize(("version", "limit"), [("3.10", 2**27), ("4.0", 2**24), ("4.3", 2**24)])
def test_default_message_size_limit_per_version(version: str, limit: int) -> None:
    assert new_broker(version).max_message_size == limit


def test_message_above_the_largest_size_is_refused() -> None:
    channel = channel_of()
    channel.connection.broker.max_message_size = 3
    publish(channel, "abc")
    assert refused(lambda: publish(channel, "abcd")) == (
        "PRECONDITION_FAILED - message size 4 is larger than configured max size 3"
    )
