"""The AMQP connection state machine: recorded conversations, limits and timeouts."""

from __future__ import annotations

import pytest

from mooq.amqp.handshake import Limits
from mooq.amqp.methods import CONNECTION_START
from mooq.amqp.versions import VERSIONS
from mooq.broker.refusals import Refusal, Scope
from tests.conversations import CONVERSATIONS, DIFFERENT, recorded
from tests.raw_amqp import (
    PROTOCOL_HEADER,
    READY,
    answers,
    body,
    close,
    frame,
    header,
    method,
    open_channel,
    open_connection,
    publish,
    start_ok,
    tune_ok,
)
from tests.unit.amqp.echo import EchoHandler


def converse(handler: EchoHandler, *steps: bytes) -> list[str]:
    """Return the replies to these steps, then "end" if the server closed the connection."""
    connection = handler.connection
    sent = b""
    for step in steps:
        connection.receive(step, 0.0)
        sent += connection.data_to_send()
    connection.advance(3.5)
    sent += connection.data_to_send()
    return [*answers(sent), *(["end"] if connection.is_over else [])]


SAME = [
    (version, name)
    for version in VERSIONS
    for name in CONVERSATIONS
    if (version, name) not in DIFFERENT
]


@pytest.mark.parametrize(("version", "name"), SAME)
def test_conversation_matches_rabbitmq(version: str, name: str) -> None:
    assert converse(EchoHandler(version), *CONVERSATIONS[name]) == recorded(version)[name]


def ready(handler: EchoHandler) -> EchoHandler:
    for step in READY:
        handler.connection.receive(step, 0.0)
    handler.connection.data_to_send()
    handler.calls.clear()
    return handler


def test_single_bytes_are_reassembled() -> None:
    handler = EchoHandler()
    message = publish("k") + header(6, b"\x08\0\5") + body(b"abc") + body(b"def")
    for octet in b"".join(READY) + message:
        handler.connection.receive(bytes((octet,)), 0.0)
    *_, (_, routing_key, _, properties, content) = handler.calls
    assert (routing_key, properties.priority, content) == ("k", 5, b"abcdef")


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_split_message_is_reassembled(pieces: int) -> None:
    handler = ready(EchoHandler())
    data = (publish("k") + header(3) + body(b"abc")) * 5
    step = len(data) // pieces + 1
    for at in range(0, len(data), step):
        handler.connection.receive(data[at : at + step], 0.0)
    assert [call[4] for call in handler.calls] == [b"abc"] * 5
    assert handler.calls[0][3] is handler.calls[4][3]  # the equal header was decoded only once


def test_delivery_resends_properties_untouched() -> None:
    handler = ready(EchoHandler())
    raw = b"\x20\x02" + b"\0\0\0\x08\1at\1\1at\0"
    handler.connection.receive(publish("k") + header(1, raw) + body(b"x"), 0.0)
    assert header(1, raw) + body(b"x") in handler.connection.data_to_send()


def test_large_body_is_split_at_frame_max() -> None:
    handler = ready(EchoHandler())
    whole = b"x" * 131_064 * 2 + b"y"
    handler.connection.receive(publish("k") + header(len(whole)), 0.0)
    for at in range(0, len(whole), 131_064):
        handler.connection.receive(body(whole[at : at + 131_064]), 0.0)
    sent = handler.connection.data_to_send()
    assert sent.endswith(body(b"x" * 131_064) * 2 + body(b"y"))


def test_oversized_body_is_not_buffered() -> None:
    handler = ready(EchoHandler(largest_message=1000))
    handler.connection.receive(publish("k") + header(4000), 0.0)
    for _ in range(4):
        handler.connection.receive(body(b"x" * 1000), 0.0)
        channel = handler.connection.channels.by_number[1]
        assert not channel.parts
    assert list(answers(handler.connection.data_to_send())) == [
        "1: channel.close 406 PRECONDITION_FAILED - message size 4000 is larger than configured "
        "(60, 40)"
    ]


def test_alarm_holds_requests_until_it_ends() -> None:
    handler = ready(EchoHandler())
    connection = handler.connection
    handler.blocks = True
    connection.receive((publish("k") + header(1) + body(b"x")) * 2 + open_channel(2), 0.0)
    assert (connection.channels.is_blocked, connection.has_input) == (True, True)
    assert not handler.calls
    handler.blocks = connection.channels.is_blocked = False
    connection.receive(b"", 0.0)
    assert [call[0] for call in handler.calls] == ["publish", "publish", "open"]


def test_message_on_closed_channel_does_not_block() -> None:
    handler = ready(EchoHandler())
    connection = handler.connection
    connection.close_channel(connection.channels.by_number[1], Refusal("NOT_FOUND", "gone"))
    handler.blocks = True
    connection.receive(publish("k") + header(1) + body(b"x") + open_channel(2), 0.0)
    assert not connection.channels.is_blocked
    assert handler.calls == [("close", 1), ("open", 2)]


def test_message_on_closed_channel_is_not_published() -> None:
    handler = ready(EchoHandler())
    connection = handler.connection
    connection.close_channel(connection.channels.by_number[1], Refusal("NOT_FOUND", "gone"))
    connection.receive(publish("k") + header(1) + body(b"x"), 0.0)
    assert handler.calls == [("close", 1)]


def test_client_close_closes_channel_in_broker() -> None:
    handler = ready(EchoHandler())
    handler.connection.receive(close(20) + open_channel(), 0.0)
    assert handler.calls == [("close", 1), ("open", 1)]
    assert list(answers(handler.connection.data_to_send())) == ["1: 20.41", "1: 20.11 00000000"]


def test_server_sends_no_close_after_client_close() -> None:
    handler = ready(EchoHandler())
    connection = handler.connection
    connection.receive(close(10, 0), 0.0)
    connection.close(Refusal("CONNECTION_FORCED", "bye", Scope.CONNECTION))
    assert list(answers(connection.data_to_send())) == ["0: 10.51"]


def test_server_can_close_before_the_handshake() -> None:
    connection = EchoHandler().connection
    connection.close(Refusal("CONNECTION_FORCED", "bye", Scope.CONNECTION))
    assert connection.next_deadline() == 30.0


@pytest.mark.parametrize("kind", [2, 3])
def test_publish_in_a_non_method_frame_is_refused(kind: int) -> None:
    handler = ready(EchoHandler())
    payload = publish("a-key-as-long-as-a-header")[7:-1]
    handler.connection.receive(frame(kind, 1, payload), 0.0)
    assert list(answers(handler.connection.data_to_send())) == [
        "0: connection.close 505 UNEXPECTED_FRAME - expected method frame, got non method frame "
        "instead (0, 0)"
    ]


def test_agreed_frame_size_applies_after_tune_ok() -> None:
    handler = EchoHandler()
    content = publish("k") + header(5000) + body(b"x" * 5000)
    handler.connection.receive(b"".join(READY) + content, 0.0)
    assert [call[4] for call in handler.calls[1:]] == [b"x" * 5000]


def test_publish_caches_are_bounded() -> None:
    handler = ready(EchoHandler())
    channels = handler.connection.channels
    for number in range(1500):
        text = b"%06d" % number
        properties = b"\x80\0" + bytes((len(text),)) + text  # the content_type property
        handler.connection.receive(publish(text) + header(1, properties) + body(b"x"), 0.0)
    assert 0 < len(channels.publishes) <= 512
    assert 0 < len(channels.properties) <= 512
    assert [call[3].content_type for call in handler.calls] == [f"{n:06}" for n in range(1500)]


@pytest.mark.parametrize("excess", [0, 1])
def test_only_short_publishes_are_cached(excess: int) -> None:
    handler = ready(EchoHandler())
    channels = handler.connection.channels
    key, content_type = b"k" * (256 - 9 + excess), b"t" * (256 - 3 + excess)
    properties = b"\x80\0" + bytes((len(content_type),)) + content_type
    handler.connection.receive(publish(key) + header(1, properties) + body(b"x"), 0.0)
    assert (len(channels.publishes), len(channels.properties)) == (1 - excess, 1 - excess)
    assert handler.calls[0][1] == key.decode()


def test_large_output_holds_requests_until_sent() -> None:
    handler = ready(EchoHandler())
    message = publish("k") + header(100_000) + body(b"x" * 100_000)
    handler.connection.receive((message + method(1, 20, 20, b"\1")) * 30, 0.0)
    assert handler.connection.is_held
    while handler.connection.is_held:
        assert handler.connection.output.size < 2_000_000
        handler.connection.data_to_send()
        handler.connection.is_held = False
        handler.connection.receive(b"", 0.0)
    assert len([call for call in handler.calls if call[0] == "publish"]) == 30


def test_server_refusal_closes_the_channel() -> None:
    handler = ready(EchoHandler())
    connection = handler.connection
    connection.close_channel(connection.channels.by_number[1], Refusal("NOT_FOUND", "gone"))
    assert list(answers(connection.data_to_send())) == [
        "1: channel.close 404 NOT_FOUND - gone (0, 0)"
    ]
    assert handler.calls == [("close", 1)]


def test_connection_closed_by_server_awaits_close_ok() -> None:
    handler = ready(EchoHandler())
    connection = handler.connection
    connection.close(Refusal("CONNECTION_FORCED", "bye", Scope.CONNECTION))
    connection.close(Refusal("CONNECTION_FORCED", "again", Scope.CONNECTION))
    assert list(answers(connection.data_to_send())) == [
        "0: connection.close 320 CONNECTION_FORCED - bye (0, 0)"
    ]
    assert handler.is_closed
    connection.receive(publish("k") + header(0) + method(0, 10, 51), 0.0)
    assert (connection.is_over, handler.calls) == (True, [])


@pytest.mark.parametrize(("heartbeat", "seconds"), [(0, 30), (5, 5), (60, 30)])
def test_missing_close_ok_times_out(heartbeat: int, seconds: int) -> None:
    handler = EchoHandler()
    connection = handler.connection
    connection.receive(PROTOCOL_HEADER + start_ok(), 0.0)
    connection.receive(tune_ok(heartbeat=heartbeat) + open_connection(), 0.0)
    connection.receive(close(10, 0), 0.0)
    assert not connection.is_over
    connection.advance(seconds)
    assert connection.is_over


def test_handshake_times_out_after_ten_seconds() -> None:
    connection = EchoHandler().connection
    connection.receive(PROTOCOL_HEADER + start_ok(), 9.0)
    assert connection.next_deadline() == 10.0
    connection.advance(10.0)
    assert connection.is_over


def with_heartbeats(enforces_heartbeats: bool = True) -> EchoHandler:
    handler = EchoHandler(enforces_heartbeats=enforces_heartbeats)
    handler.connection.receive(PROTOCOL_HEADER + start_ok(), 0.0)
    handler.connection.receive(tune_ok(heartbeat=2) + open_connection(), 0.0)
    handler.connection.data_to_send()
    return handler


def test_silent_client_is_dropped_after_heartbeats() -> None:
    connection = with_heartbeats().connection
    sent = b""
    for _ in range(30):
        deadline = connection.next_deadline()
        if connection.is_over or deadline is None:
            break
        connection.advance(deadline)
        sent += connection.data_to_send()
    assert (deadline, sent) == (None, frame(8, 0, b"") * 5)


def test_silent_client_is_kept_without_enforcement() -> None:
    connection = with_heartbeats(enforces_heartbeats=False).connection
    for second in range(100):
        connection.advance(float(second))
    assert not connection.is_over


def test_active_client_is_kept_and_gets_heartbeats() -> None:
    connection = with_heartbeats().connection
    for second in range(100):
        connection.receive(frame(8, 0, b""), float(second))
        connection.advance(float(second))
    assert not connection.is_over
    assert frame(8, 0, b"") in connection.data_to_send()


def test_held_client_does_not_miss_heartbeats() -> None:
    connection = with_heartbeats().connection
    connection.is_held = True
    for second in range(100):
        connection.advance(float(second))
    assert not connection.is_over


def test_recent_output_postpones_the_heartbeat() -> None:
    handler = with_heartbeats()
    connection = handler.connection
    connection.advance(1.0)
    connection.data_to_send()
    connection.receive(open_channel(), 1.5)
    connection.data_to_send()
    connection.advance(2.0)
    assert connection.data_to_send() == b""
    connection.advance(3.0)
    assert connection.data_to_send() == frame(8, 0, b"")


@pytest.mark.parametrize(
    ("version", "number", "mechanisms"),
    [
        ("3.10", "3.10.8", b"AMQPLAIN PLAIN"),
        ("4.0", "4.0.5", b"PLAIN ANONYMOUS AMQPLAIN"),
        ("4.3", "4.3.6", b"AMQPLAIN PLAIN ANONYMOUS"),
    ],
)
def test_server_properties_match_rabbitmq(version: str, number: str, mechanisms: bytes) -> None:
    handler = EchoHandler(version)
    handler.connection.receive(PROTOCOL_HEADER, 0.0)
    start = CONNECTION_START.decode(handler.connection.data_to_send()[11:-1])
    assert (*start[:2], *start[3:]) == (0, 9, mechanisms, b"en_US")
    properties = start[2]
    assert properties.pop("platform").startswith("Erlang/OTP ")
    assert properties == {
        "capabilities": dict.fromkeys(
            (
                "publisher_confirms",
                "exchange_exchange_bindings",
                "basic.nack",
                "consumer_cancel_notify",
                "connection.blocked",
                "consumer_priorities",
                "authentication_failure_close",
                "per_consumer_qos",
                "direct_reply_to",
            ),
            True,
        ),
        "cluster_name": "rabbit@localhost",
        "copyright": "mooq's in-memory broker",
        "information": f"Behaves as RabbitMQ {number} does, for tests",
        "product": "RabbitMQ",
        "version": number,
    }


def test_proposed_limits_are_in_tune() -> None:
    handler = EchoHandler(limits=Limits(7, 8192, 3))
    handler.connection.receive(PROTOCOL_HEADER + start_ok(), 0.0)
    assert list(answers(handler.connection.data_to_send()))[1] == "0: 10.30 0007000020000003"


def test_close_ok_is_accepted_after_an_internal_error() -> None:
    handler = ready(EchoHandler())
    connection = handler.connection
    request = method(1, 50, 10, b"\0\0\1q\0\0\0\0\0")
    connection.receive(request[:5], 0.0)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    handler.request = fail  # type: ignore[assignment,method-assign]
    with pytest.raises(ZeroDivisionError):
        connection.receive(request[5:], 0.0)
    connection.fail()
    connection.receive(method(0, 10, 51), 0.0)
    assert connection.is_over


def test_held_requests_end_with_their_connection() -> None:
    handler = ready(EchoHandler())
    connection = handler.connection
    connection.is_held = True
    connection.receive(open_channel(2), 0.0)
    assert connection.has_input
    connection.hang_up()
    assert not connection.has_input
    connection.is_held = False
    connection.receive(b"", 0.0)
    assert handler.calls == []


def test_internal_error_closes_connection_with_541() -> None:
    handler = ready(EchoHandler())
    handler.connection.fail()
    assert list(answers(handler.connection.data_to_send())) == [
        "0: connection.close 541 INTERNAL_ERROR (0, 0)"
    ]
