"""Queues and exchanges of the in-memory broker: limits, order, routing and restarts."""

from __future__ import annotations

from typing import Any

import pytest

from mooq.broker.values import Float
from tests.unit.verbs import (
    QUORUM,
    channel_of,
    connect,
    consume,
    declare,
    exchange,
    get,
    new_broker,
    publish,
    refused,
    rest,
    told,
)

DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}

# Limits


def lengths(overflow: str = "drop-head", **limits: int) -> dict[str, Any]:
    named = {f"x-max-{name.replace('_', '-')}": limit for name, limit in limits.items()}
    return {**named, "x-overflow": overflow, **DEAD}


@pytest.mark.parametrize("arguments", [lengths(length=2), lengths(length_bytes=2)])
@pytest.mark.parametrize("kind", [{}, QUORUM])
def test_full_queue_drops_its_oldest_message(
    arguments: dict[str, Any], kind: dict[str, Any]
) -> None:
    channel = channel_of()
    declare(channel, arguments=arguments | kind)
    declare(channel, "dead")
    for number in range(3):
        publish(channel, str(number))
    assert rest(channel, "dead") == ["0"]
    get(channel)
    publish(channel, "3")
    assert rest(channel, "dead") == []
    channel.queue_purge("q")
    publish(channel, "4")
    publish(channel, "5")
    assert (rest(channel), rest(channel, "dead")) == (["4", "5"], [])


@pytest.mark.parametrize("arguments", [lengths(length=2), lengths(length_bytes=2)])
def test_message_requeued_to_a_full_queue_is_dropped(arguments: dict[str, Any]) -> None:
    channel = channel_of()
    declare(channel, arguments=arguments)
    declare(channel, "dead")
    publish(channel, "0")
    get(channel)
    publish(channel, "1")
    publish(channel, "2")
    channel.basic_reject(1, True)
    assert (rest(channel, "dead"), rest(channel)) == (["0"], ["1", "2"])


@pytest.mark.parametrize("limit", ["length", "length_bytes"])
@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx"])
def test_full_queue_rejects_publishes(limit: str, overflow: str) -> None:
    channel = channel_of()
    declare(channel, arguments=lengths(overflow, **{limit: 2}))
    declare(channel, "dead")
    channel.confirm_select()
    for number in range(3):
        publish(channel, str(number))
    assert told(channel.connection.broker) == ["ack 1", "ack 2", "nack 3"]
    assert rest(channel, "dead") == (["2"] if overflow.endswith("dlx") else [])
    assert rest(channel) == ["0", "1"]


def test_quorum_queue_rejects_after_max_length_bytes() -> None:
    channel = channel_of()
    declare(channel, arguments=lengths("reject-publish", length_bytes=2) | QUORUM)
    channel.confirm_select()
    for body in ("a", "bcd", "e"):
        publish(channel, body)
    assert told(channel.connection.broker) == ["ack 1", "ack 2", "nack 3"]


@pytest.mark.parametrize(
    ("version", "declared", "limit"),
    [
        ("3.10", None, None),
        ("4.0", None, 20),
        ("4.3", None, 20),
        ("4.0", 2, 2),
        ("4.0", 0, 0),
        ("4.0", -1, None),
    ],
)
def test_quorum_queue_enforces_its_delivery_limit(
    version: str, declared: int | None, limit: int | None
) -> None:
    channel = channel_of(version)
    asked = {} if declared is None else {"x-delivery-limit": declared}
    declare(channel, arguments=QUORUM | asked | DEAD)
    declare(channel, "dead")
    publish(channel)
    returned = 0
    while returned < 30 and (got := channel.basic_get("q", False)) is not None:
        channel.basic_reject(got.delivery_tag, True)
        returned += 1
    assert returned == (30 if limit is None else limit + 1)
    assert len(rest(channel, "dead")) == (limit is not None)


def test_classic_queue_has_no_delivery_limit() -> None:
    channel = channel_of()
    declare(channel)
    publish(channel)
    for tag in range(1, 31):
        get(channel)
        channel.basic_reject(tag, True)
    assert rest(channel) == ["m R"]


# Confirms


@pytest.mark.parametrize("kind", [{}, QUORUM, {"x-max-length": 5}])
@pytest.mark.parametrize("is_consumed", [True, False])
def test_message_is_confirmed_whether_it_is_delivered_at_once(
    kind: dict[str, Any], is_consumed: bool
) -> None:
    channel = channel_of()
    declare(channel, arguments=kind)
    if is_consumed:
        consume(channel)
    channel.confirm_select()
    publish(channel)
    assert told(channel.connection.broker) == ["c: m"] * is_consumed + ["ack 1"]


# Order


def test_requeued_message_is_delivered_before_new_ones() -> None:
    channel = channel_of()
    declare(channel)
    publish(channel, "0")
    get(channel)
    channel.basic_qos(0, 1, False)
    consume(channel)
    channel.connection.pause()
    channel.basic_reject(1, True)
    publish(channel, "1")
    channel.connection.resume()
    channel.basic_ack(2, False)
    assert told(channel.connection.broker) == ["c: 0 R", "c: 1"]


@pytest.mark.parametrize("arguments", [{}, {"x-max-length": 9}, {"x-message-ttl": 9000}])
def test_requeued_messages_keep_their_positions(arguments: dict[str, Any]) -> None:
    channel = channel_of()
    declare(channel, arguments=arguments)
    for number in range(4):
        publish(channel, str(number))
        get(channel)
    for tag in (3, 1, 4, 2):
        channel.basic_reject(tag, True)
    assert rest(channel) == ["0 R", "1 R", "2 R", "3 R"]


def test_higher_priority_messages_are_delivered_first() -> None:
    channel = channel_of()
    declare(channel, arguments={"x-max-priority": 2})
    for body, priority in (("a", None), ("b", 2), ("c", 1), ("d", 9), ("e", 0)):
        publish(channel, body, priority=priority)
    assert rest(channel) == ["b", "d", "c", "a", "e"]


@pytest.mark.parametrize(("kind", "active"), [({}, "c"), (QUORUM, "d")])
def test_priority_replaces_active_quorum_consumer(kind: dict[str, Any], active: str) -> None:
    channel = channel_of()
    declare(channel, arguments={"x-single-active-consumer": True} | kind)
    consume(channel)
    consume(channel, tag="d", arguments={"x-priority": 1})
    publish(channel)
    assert told(channel.connection.broker) == [f"{active}: m"]


def test_single_active_consumer_respects_prefetch() -> None:
    channel = channel_of()
    declare(channel, arguments={"x-single-active-consumer": True})
    channel.basic_qos(0, 1, False)
    consume(channel)
    consume(channel, tag="d")
    publish(channel, "0")
    publish(channel, "1")
    assert told(channel.connection.broker) == ["c: 0"]
    channel.basic_ack(1, False)
    assert told(channel.connection.broker) == ["c: 1"]


@pytest.mark.parametrize("limit", [{"x-message-ttl": 0}, {"x-max-length": 0}])
def test_message_reaches_all_its_queues_before_its_dead_letter(limit: dict[str, int]) -> None:
    channel = channel_of()
    declare(channel, "a", arguments=DEAD | limit)
    declare(channel, "dead")
    for name in ("a", "dead"):
        channel.queue_bind(name, "amq.fanout", "", {})
    publish(channel, exchange="amq.fanout")
    letters = [get(channel, "dead").message.properties.headers for _ in range(2)]
    assert [letter is not None for letter in letters] == [False, True]


# Routing


@pytest.mark.parametrize(
    ("match", "headers", "is_routed"),
    [
        ("all", {"a": 1}, True),
        ("all", {"a": 1, "x-b": 3}, True),
        ("all", {"a": 2, "x-b": 2}, False),
        ("all-with-x", {"a": 1}, False),
        ("all-with-x", {"a": 1, "x-b": 2}, True),
        ("any", {"x-b": 2}, False),
        ("any", {"a": 1}, True),
        ("any-with-x", {"x-b": 2}, True),
        ("any-with-x", {"x-b": 3}, False),
        ("all", None, False),
        ("any", None, False),
    ],
)
def test_headers_are_matched_by_mode(
    match: str, headers: dict[str, Any] | None, is_routed: bool
) -> None:
    channel = channel_of()
    declare(channel)
    channel.queue_bind("q", "amq.headers", "", {"x-match": match, "a": 1, "x-b": 2})
    publish(channel, exchange="amq.headers", headers=headers)
    assert rest(channel) == ["m"] * is_routed


@pytest.mark.parametrize("match", ["all", "all-with-x"])
def test_empty_headers_binding_matches_every_message(match: str) -> None:
    channel = channel_of()
    declare(channel)
    channel.queue_bind("q", "amq.headers", "", {"x-match": match})
    publish(channel, exchange="amq.headers")
    publish(channel, exchange="amq.headers", headers={"x-match": "any"})
    assert rest(channel) == ["m", "m"]


def test_random_exchange_routes_to_one_queue() -> None:
    channel = channel_of()
    exchange(channel, "e", "x-local-random")
    publish(channel, exchange="e", mandatory=True)
    assert told(channel.connection.broker) == ["returned 312 NO_ROUTE: m"]
    for name in "ab":
        declare(channel, name)
        channel.queue_bind(name, "e", "k", {})
    for _ in range(30):
        publish(channel, exchange="e", key="other")
    counts = [len(rest(channel, name)) for name in "ab"]
    assert (sum(counts), min(counts) > 0) == (30, True)
    assert refused(lambda: exchange(channel_of("3.10"), "e", "x-local-random")) == (
        "COMMAND_INVALID - unknown exchange type 'x-local-random'"
    )


@pytest.mark.parametrize(("version", "names"), [("3.10", "ba"), ("4.0", "ab"), ("4.3", "ab")])
def test_headers_are_sorted_by_name_since_4_0(version: str, names: str) -> None:
    channel = channel_of(version)
    declare(channel)
    publish(channel, headers={"b": 1, "a": Float(2.0)})
    headers = get(channel).message.properties.headers
    assert headers is not None
    assert "".join(headers) == names


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("3.10", "user_id property set to 'ann' but authenticated user was 'guest'"),
        ("4.0", 'invalid message: {unacceptable_type_in_header,"CC",longstr}'),
        ("4.3", 'invalid message: {unacceptable_type_in_header,"CC",longstr}'),
    ],
)
def test_first_of_two_message_errors_is_reported(version: str, words: str) -> None:
    channel = channel_of(version)
    text = refused(lambda: publish(channel, user_id="ann", headers={"CC": "q"}))
    assert text == f"PRECONDITION_FAILED - {words}"
    assert refused(lambda: publish(channel, user_id="ann")).endswith("user was 'guest'")
    publish(channel, user_id="guest")


def test_only_the_direct_reply_to_name_is_replaced() -> None:
    channel = channel_of()
    declare(channel)
    publish(channel, reply_to="somewhere", headers={"h": 1})
    assert get(channel).message.properties.reply_to == "somewhere"
    publish(channel, headers={"h": 1})
    assert get(channel).message.properties.reply_to is None
    assert refused(lambda: publish(channel, reply_to="amq.rabbitmq.reply-to")) == (
        "PRECONDITION_FAILED - fast reply consumer does not exist"
    )


# Restarts


@pytest.mark.parametrize(
    ("version", "arguments", "kept"),
    [
        ("4.0", {}, ["0 R", "2"]),
        ("4.0", {"x-max-priority": 1}, ["0 R", "2"]),
        ("4.0", QUORUM, ["0 R", "1", "2"]),
        ("4.3", {"x-max-length-bytes": 9}, ["0 R", "2"]),
    ],
)
def test_durable_queue_keeps_persistent_messages(
    version: str, arguments: dict[str, Any], kept: list[str]
) -> None:
    broker = new_broker(version)
    channel = connect(broker).channel(1)
    declare(channel, arguments=arguments)
    declare(channel, "transient", durable=False)
    exchange(channel, "e", durable=False)
    exchange(channel, "durable")
    for number, mode in enumerate((2, 1, 2)):
        publish(channel, str(number), delivery_mode=mode)
    get(channel)
    broker.restart()
    after = connect(broker).channel(1)
    assert rest(after) == kept
    assert "transient" not in after.connection.host.queues
    exchanges = after.connection.host.exchanges
    assert ("e" in exchanges, "durable" in exchanges) == (version == "4.3", True)
    assert "amq.direct" in exchanges
