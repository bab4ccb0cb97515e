"""Expiry of queues and messages of the in-memory broker."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.verbs import (
    QUORUM,
    channel_of,
    consume,
    declare,
    get,
    publish,
    refused,
    rest,
)

DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


def test_shorter_of_message_and_queue_ttl_applies() -> None:
    channel = channel_of()
    broker = channel.connection.broker
    declare(channel, arguments={"x-message-ttl": 3000, **DEAD})
    declare(channel, "dead")
    publish(channel, "0", expiration="1000")
    publish(channel, "1", expiration="9000")
    assert broker.next_deadline() == 1.0
    broker.advance(1.0)
    assert (rest(channel, "dead"), broker.next_deadline()) == (["0"], 3.0)
    broker.advance(2.999)
    assert rest(channel, "dead") == []
    broker.advance(3.0)
    assert rest(channel, "dead") == ["1"]


def test_expired_message_is_dead_lettered_before_get() -> None:
    channel = channel_of()
    declare(channel, arguments=DEAD)
    declare(channel, "dead")
    publish(channel, "0")
    publish(channel, "1", expiration="100")
    publish(channel, "2")
    channel.connection.broker.advance(1.0)
    assert rest(channel, "dead") == []
    assert rest(channel) == ["0", "2"]
    assert rest(channel, "dead") == ["1"]


def test_unused_queue_expires_after_x_expires() -> None:
    channel = channel_of()
    broker = channel.connection.broker
    declare(channel, arguments={"x-expires": 2000})
    queues = channel.connection.host.queues
    broker.advance(1.5)
    assert broker.next_deadline() == 2.0 or "q" in queues
    channel.basic_get("q", True)
    broker.advance(3.4)
    assert "q" in queues
    declare(channel, passive=True)
    broker.advance(5.3)
    assert "q" in queues
    consume(channel)
    broker.advance(100.0)
    assert "q" in queues
    channel.basic_cancel("c")
    broker.advance(101.9)
    assert "q" in queues
    broker.advance(102.0)
    assert "q" not in queues


def test_declaring_an_unused_quorum_queue_does_not_keep_it() -> None:
    channel = channel_of()
    broker = channel.connection.broker
    arguments = {"x-expires": 2000} | QUORUM
    declare(channel, arguments=arguments)
    broker.advance(1.5)
    declare(channel, passive=True)
    declare(channel, arguments=arguments)
    broker.advance(2.0)
    assert "q" not in channel.connection.host.queues


@pytest.mark.parametrize(("kind", "is_kept"), [({}, False), (QUORUM, True)])
def test_unsettled_get_keeps_a_quorum_queue(kind: dict[str, Any], is_kept: bool) -> None:
    channel = channel_of()
    broker = channel.connection.broker
    declare(channel, arguments={"x-expires": 2000} | kind)
    publish(channel)
    got = get(channel)
    broker.advance(100.0)
    queues = channel.connection.host.queues
    assert ("q" in queues) is is_kept
    if is_kept:
        channel.basic_ack(got.delivery_tag, False)
        broker.advance(101.9)
        assert "q" in queues
        broker.advance(102.0)
        assert "q" not in queues


def test_cancelled_consumer_with_a_delivery_keeps_a_quorum_queue() -> None:
    channel = channel_of()
    broker = channel.connection.broker
    declare(channel, arguments={"x-expires": 2000} | QUORUM)
    publish(channel)
    consume(channel)
    channel.basic_cancel("c")
    broker.advance(100.0)
    channel.basic_nack(1, False, True)
    broker.advance(101.9)
    queues = channel.connection.host.queues
    assert "q" in queues
    broker.advance(102.0)
    assert "q" not in queues


@pytest.mark.parametrize(("ttl", "expires"), [(500, 2000), (2000, 500)])
def test_queue_and_message_expiry_run_in_order(ttl: int, expires: int) -> None:
    channel = channel_of()
    broker = channel.connection.broker
    declare(channel, "dead")
    declare(channel, arguments={"x-message-ttl": ttl, "x-expires": expires, **DEAD})
    publish(channel)
    assert broker.next_deadline() == 0.5
    broker.advance(0.5)
    is_gone = "q" not in channel.connection.host.queues
    assert (rest(channel, "dead"), is_gone) == (["m"] if ttl < expires else [], expires < ttl)


@pytest.mark.parametrize(
    ("expiration", "why"),
    [
        ("x", "no_integer"),
        ("", "no_integer"),
        ("1.5", '{leftover_string,".5"}'),
        ("+5 ", '{leftover_string," "}'),
        ('5\n"x\\', '{leftover_string,"\\n\\"x\\\\"}'),
        ("5\x01", "{leftover_string,[1]}"),
        ("٣", "no_integer"),
        ("-1", "{value_negative,-1}"),
        ("315360000001", "{value_too_large,315360000001}"),
    ],
)
def test_expiration_must_be_milliseconds_in_digits(expiration: str, why: str) -> None:
    channel = channel_of()
    declare(channel)
    publish(channel, expiration="315360000000")
    assert refused(lambda: publish(channel, expiration=expiration)) == (
        f"PRECONDITION_FAILED - invalid expiration '{expiration}': {why}"
    )
