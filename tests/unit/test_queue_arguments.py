"""Arguments of queues and consumers: accepted values and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooq.broker.broker import Broker
from mooq.broker.channel import Channel
from mooq.broker.refusals import Refusal
from mooq.broker.values import Byte, Long
from mooq.broker.versions import VERSIONS

NEW: dict[str, Any] = {"passive": False, "durable": True, "exclusive": False, "auto_delete": False}
QUORUM = {"x-queue-type": "quorum"}


def channel_of(version: str = "4.0") -> Channel:
    broker = Broker({"guest": "guest"}, ["/"], version=version)
    return broker.connect("/", "guest", "guest").channel(1)


def declare(channel: Channel, arguments: dict[str, Any], name: str = "q", **flags: Any) -> None:
    channel.queue_declare(name, **{**NEW, **flags}, arguments=arguments)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as raised:
        act()
    return raised.value.text


def invalid(argument: str, why: str) -> str:
    return f"PRECONDITION_FAILED - invalid arg '{argument}' for queue 'q' in vhost '/': {why}"


COUNTS = ["x-max-length", "x-max-length-bytes"]
COUNTS_OF_QUORUM = ["x-max-in-memory-length", "x-max-in-memory-bytes"]
MOST = 315_360_000_000
TIMES = ["x-expires", "x-message-ttl"]
DLX = {"x-dead-letter-exchange": ""}


@pytest.mark.parametrize("argument", [*COUNTS, *TIMES, "x-max-priority"])
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("1", '"expected integer, got longstr"'),
        (1.5, '"expected integer, got double"'),
        (True, '"expected integer, got bool"'),
        (-1, "{value_negative,-1}"),
    ],
)
def test_numeric_argument_must_be_nonnegative_integer(argument: str, value: Any, why: str) -> None:
    channel = channel_of()
    assert refused(lambda: declare(channel, {argument: value})) == invalid(argument, why)


@pytest.mark.parametrize(
    ("argument", "value", "why"),
    [
        ("x-expires", 0, "{value_zero,0}"),
        ("x-expires", MOST + 1, "{value_too_large,315360000001}"),
        ("x-message-ttl", MOST + 1, "{value_too_large,315360000001}"),
        ("x-max-priority", 256, "{max_value_exceeded,256}"),
        ("x-queue-mode", "fast", "\"unsupported queue mode 'fast'\""),
        ("x-queue-mode", 1, "{unacceptable_type,signedint}"),
        ("x-overflow", "drop", "invalid_overflow"),
        ("x-overflow", 1, "{unacceptable_type,signedint}"),
        ("x-dead-letter-routing-key", "k", "routing_key_but_no_dlx_defined"),
        ("x-dead-letter-routing-key", 1, "{unacceptable_type,signedint}"),
        ("x-single-active-consumer", "true", "{unacceptable_type,longstr}"),
        ("x-queue-type", "fifo", "\"unsupported queue type 'fifo'\""),
        ("x-queue-type", 1, "{unacceptable_type,signedint}"),
    ],
)
def test_value_out_of_range_is_refused(argument: str, value: Any, why: str) -> None:
    assert refused(lambda: declare(channel_of(), {argument: value})) == invalid(argument, why)


@pytest.mark.parametrize("argument", [*COUNTS_OF_QUORUM, "x-quorum-initial-group-size"])
def test_quorum_queue_arguments_must_be_integers(argument: str) -> None:
    channel = channel_of()
    why = '"expected integer, got longstr"'
    assert refused(lambda: declare(channel, {**QUORUM, argument: "1"})) == invalid(argument, why)


@pytest.mark.parametrize(
    "arguments",
    [
        *({argument: 0} for argument in [*COUNTS, "x-message-ttl", "x-max-priority"]),
        *({argument: MOST} for argument in TIMES),
        {"x-expires": Byte(1)},
        {"x-max-length": Long(2**40)},
        {"x-max-priority": 255},
        *({"x-queue-mode": mode} for mode in ("default", "lazy")),
        *({"x-overflow": one} for one in ("drop-head", "reject-publish", "reject-publish-dlx")),
        {"x-single-active-consumer": True},
        {**DLX, "x-dead-letter-routing-key": "k"},
        {**QUORUM, "x-delivery-limit": -1},
        {**QUORUM, "x-delivery-limit": "many"},
        {**QUORUM, "x-overflow": "reject-publish-dlx"},
        *({**QUORUM, argument: 0} for argument in COUNTS_OF_QUORUM),
        {**QUORUM, "x-quorum-initial-group-size": 1},
        {**QUORUM, "x-overflow": "reject-publish"},
        {"x-queue-type": "classic"},
        {"x-anything": 1.5},
    ],
    ids=repr,
)
def test_value_in_range_is_accepted(arguments: dict[str, Any]) -> None:
    channel = channel_of()
    declare(channel, arguments)
    declare(channel, arguments)


def test_dead_letter_exchange_must_be_a_string() -> None:
    channel = channel_of()
    text = refused(lambda: declare(channel, {"x-max-length": "a", "x-dead-letter-exchange": 1}))
    assert text == (
        "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue "
        "'q' in vhost '/'"
    )


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("x-expires", 5),
        ("x-message-ttl", 5),
        ("x-dead-letter-exchange", "e"),
        ("x-max-length", 5),
        ("x-max-length-bytes", 5),
        ("x-max-priority", 5),
        ("x-overflow", "drop-head"),
        ("x-queue-mode", "lazy"),
        ("x-single-active-consumer", True),
    ],
)
def test_redeclaring_without_an_argument_is_refused(argument: str, value: Any) -> None:
    channel = channel_of()
    declare(channel, {argument: value})
    shown = {int: "signedint", str: "longstr", bool: "bool"}[type(value)]
    current = str(value).lower() if isinstance(value, bool) else value
    start = f"PRECONDITION_FAILED - inequivalent arg '{argument}' for queue"
    assert refused(lambda: declare(channel, {})) == (
        f"{start} 'q' in vhost '/': received none but current is the value '{current}' of type "
        f"'{shown}'"
    )
    declare(channel, {}, name="r")
    assert refused(lambda: declare(channel, {argument: value}, name="r")) == (
        f"{start} 'r' in vhost '/': received the value '{current}' of type '{shown}' but "
        "current is none"
    )


def test_redeclaring_with_another_value_is_refused() -> None:
    channel = channel_of()
    declare(channel, {**DLX, "x-dead-letter-routing-key": "k", "x-max-length": 5})
    text = refused(
        lambda: declare(channel, {**DLX, "x-dead-letter-routing-key": "j", "x-max-length": 5})
    )
    assert text == (
        "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-routing-key' for queue 'q' in vhost "
        "'/': received 'j' but current is 'k'"
    )


def test_integer_width_does_not_change_the_value() -> None:
    channel = channel_of()
    declare(channel, {"x-max-length": 5})
    declare(channel, {"x-max-length": Long(5)})
    assert refused(lambda: declare(channel, {"x-max-length": 5.0})) == (
        "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/': "
        "received '5.0' but current is '5'"
    )


@pytest.mark.parametrize(
    ("arguments", "argument", "queue_type"),
    [
        ({**QUORUM, "x-max-priority": 1}, "x-max-priority", "quorum"),
        ({**QUORUM, "x-queue-mode": "lazy"}, "x-queue-mode", "quorum"),
        ({"x-delivery-limit": 1}, "x-delivery-limit", "classic"),
        *(({argument: 0}, argument, "classic") for argument in COUNTS_OF_QUORUM),
        ({"x-quorum-initial-group-size": 1}, "x-quorum-initial-group-size", "classic"),
        ({"x-dead-letter-strategy": "at-least-once"}, "x-dead-letter-strategy", "classic"),
    ],
)
def test_argument_of_another_queue_type_is_refused(
    arguments: dict[str, Any], argument: str, queue_type: str
) -> None:
    assert refused(lambda: declare(channel_of(), arguments)) == (
        f"PRECONDITION_FAILED - invalid arg '{argument}' for queue 'q' in vhost '/' of queue type "
        f"rabbit_{queue_type}_queue"
    )


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ({"durable": False}, "non-durable"),
        ({"exclusive": True}, "exclusive-owner"),
        ({"auto_delete": True}, "auto-delete"),
    ],
)
def test_quorum_queue_must_be_durable_and_shared(flags: dict[str, bool], what: str) -> None:
    assert refused(lambda: declare(channel_of(), QUORUM, "q", **flags)) == (
        f"PRECONDITION_FAILED - invalid property '{what}' for queue 'q' in vhost '/'"
    )


def test_queue_mode_is_not_checked_since_4_3() -> None:
    declare(channel_of("4.3"), {"x-queue-mode": "fast"})


def consume(channel: Channel, tag: str, arguments: dict[str, Any]) -> None:
    channel.basic_consume(
        "q", tag, no_local=False, no_ack=False, exclusive=False, arguments=arguments
    )


def test_consumer_priority_must_be_an_integer() -> None:
    channel = channel_of()
    declare(channel, {})
    text = refused(lambda: consume(channel, "c", {"x-priority": "1"}))
    assert text == invalid("x-priority", '"expected integer, got longstr"')


@pytest.mark.parametrize(
    ("version", "of_queue", "of_consumer", "timeout"),
    [
        ("3.10", {"x-consumer-timeout": 5000}, {}, 1800.0),
        ("3.10", QUORUM | {"x-consumer-timeout": 5000}, {"x-consumer-timeout": 6000}, 1800.0),
        ("4.0", {}, {}, 1800.0),
        ("4.0", {"x-consumer-timeout": 5000}, {"x-consumer-timeout": 6000}, 5.0),
        ("4.0", {"x-consumer-timeout": "5000"}, {}, 1800.0),
        ("4.0", QUORUM | {"x-consumer-timeout": 5000}, {}, 5.0),
        ("4.3", {}, {}, None),
        ("4.3", QUORUM, {}, 1800.0),
        ("4.3", QUORUM | {"x-consumer-timeout": 5000}, {}, 5.0),
        ("4.3", QUORUM | {"x-consumer-timeout": 5000}, {"x-consumer-timeout": 6000}, 6.0),
    ],
)
def test_consumer_timeout_is_chosen_by_precedence(
    version: str, of_queue: dict[str, Any], of_consumer: dict[str, Any], timeout: float | None
) -> None:
    channel = channel_of(version)
    declare(channel, of_queue)
    consume(channel, "c", of_consumer)
    (consumer,) = channel.connection.host.queues["q"].consumers.all
    assert consumer.timeout == timeout


def test_consumer_timeout_is_quorum_only_since_4_3() -> None:
    channel = channel_of("4.3")
    argument = {"x-consumer-timeout": 5000}
    assert refused(lambda: declare(channel, argument)) == (
        "PRECONDITION_FAILED - invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/' of "
        "queue type rabbit_classic_queue"
    )
    assert refused(lambda: declare(channel, QUORUM | {"x-consumer-timeout": -1})) == invalid(
        "x-consumer-timeout", "{value_negative,-1}"
    )
    declare(channel, QUORUM | argument)
    text = refused(lambda: declare(channel, QUORUM | {"x-consumer-timeout": 1}))
    assert text.startswith("PRECONDITION_FAILED - inequivalent arg 'x-consumer-timeout'")


@pytest.mark.parametrize("version", VERSIONS)
def test_server_named_queue_must_be_classic(version: str) -> None:
    channel = channel_of(version)
    assert refused(lambda: declare(channel, QUORUM, name="")) == (
        "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue"
    )
    declare(channel, {"x-queue-type": "classic"}, name="")


@pytest.mark.parametrize(
    ("version", "value", "text"),
    [
        ("3.10", None, "INTERNAL_ERROR"),
        ("4.0", None, "': {unacceptable_type,void}"),
        ("4.3", None, "': {unacceptable_type,void}"),
        ("4.0", True, "INTERNAL_ERROR"),
        ("4.3", True, "PRECONDITION_FAILED - unknown queue type 'true'"),
        ("4.3", 1, "INTERNAL_ERROR"),
        ("4.0", "", "INTERNAL_ERROR"),
        ("4.3", "", ""),
    ],
)
def test_invalid_type_of_server_named_queue_is_refused(version: str, value: Any, text: str) -> None:
    channel = channel_of(version)

    def act() -> None:
        declare(channel, {"x-queue-type": value}, name="")

    if text:
        assert refused(act).endswith(text)
    else:
        act()
