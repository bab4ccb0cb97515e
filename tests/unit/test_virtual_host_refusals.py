"""What a virtual host refuses, compared with what RabbitMQ 4.0.5 answered, word for word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooq.broker.direct.queue import Queue
from mooq.broker.direct.virtual_host import VirtualHost
from mooq.errors import Refused
from mooq.transports.declarations import Exchange
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Message
from tests.unit.driving import OWNER, STRANGER, Clock, bodies, locked, publish


def unlike(argument: str, of: str, but: str) -> str:
    return f"PRECONDITION_FAILED - inequivalent arg '{argument}' for {of} in vhost '/': {but}"


def declare(**properties: Any) -> Callable[[VirtualHost], object]:
    """Declare ``q`` again, with other properties."""
    return lambda host: host.declare_queue(Declaration("q", **properties), OWNER)


def declare_dead(**properties: Any) -> Callable[[VirtualHost], object]:
    """Declare a queue that dead-letters to ``d``, then again with other properties."""

    def act(host: VirtualHost) -> None:
        host.declare_queue(Declaration("w", dead_letter_exchange="d"), OWNER)
        host.declare_queue(Declaration("w", **properties), OWNER)

    return act


REFUSALS: dict[str, tuple[Callable[[VirtualHost], object], int, str]] = {
    "declare an exchange with another type": (
        lambda host: host.declare_exchange(Exchange("d", "topic")),
        406,
        unlike("type", "exchange 'd'", "received 'topic' but current is 'direct'"),
    ),
    "publish to a missing exchange": (
        lambda host: publish(host, "m", "missing-x"),
        404,
        "NOT_FOUND - no exchange 'missing-x' in vhost '/'",
    ),
    "bind to a missing exchange": (
        lambda host: host.bind("q", "missing-x", "k", OWNER),
        404,
        "NOT_FOUND - no exchange 'missing-x' in vhost '/'",
    ),
    "bind a missing queue": (
        lambda host: host.bind("missing-q", "d", "k", OWNER),
        404,
        "NOT_FOUND - no queue 'missing-q' in vhost '/'",
    ),
    "bind a missing queue to a missing exchange": (
        lambda host: host.bind("missing-q", "missing-x", "k", OWNER),
        404,
        "NOT_FOUND - no exchange 'missing-x' in vhost '/'",
    ),
    "use a missing queue": (
        lambda host: host.queue("missing-q", OWNER),
        404,
        "NOT_FOUND - no queue 'missing-q' in vhost '/'",
    ),
    "declare a durable queue as transient": (
        declare(durable=False),
        406,
        unlike("durable", "queue 'q'", "received 'false' but current is 'true'"),
    ),
    "declare a queue as auto-delete": (
        declare(auto_delete=True),
        406,
        unlike("auto_delete", "queue 'q'", "received 'true' but current is 'false'"),
    ),
    "declare a queue as transient and auto-delete": (
        declare(durable=False, auto_delete=True),
        406,
        unlike("durable", "queue 'q'", "received 'false' but current is 'true'"),
    ),
    "declare a queue as exclusive": (declare(exclusive=True), 405, locked("q")),
    "declare a queue as exclusive, transient and auto-delete": (
        declare(exclusive=True, durable=False, auto_delete=True),
        405,
        locked("q"),
    ),
    "declare a queue with a dead-letter exchange it has not": (
        declare(dead_letter_exchange="other"),
        406,
        unlike(
            "x-dead-letter-exchange",
            "queue 'q'",
            "received the value 'other' of type 'longstr' but current is none",
        ),
    ),
    "declare a queue without the dead-letter exchange it has": (
        declare_dead(),
        406,
        unlike(
            "x-dead-letter-exchange",
            "queue 'w'",
            "received none but current is the value 'd' of type 'longstr'",
        ),
    ),
    "declare a queue with another dead-letter exchange": (
        declare_dead(dead_letter_exchange="other"),
        406,
        unlike("x-dead-letter-exchange", "queue 'w'", "received 'other' but current is 'd'"),
    ),
    "declare a queue as auto-delete and without its dead-letter exchange": (
        declare_dead(auto_delete=True),
        406,
        unlike("auto_delete", "queue 'w'", "received 'true' but current is 'false'"),
    ),
    "publish a mandatory message that no queue is bound for": (
        lambda host: host.publish(Message(b"m", "d", "other"), mandatory=True),
        312,
        "NO_ROUTE",
    ),
    "publish a mandatory message to a missing queue": (
        lambda host: host.publish(Message(b"m", "", "missing-q"), mandatory=True),
        312,
        "NO_ROUTE",
    ),
}


@pytest.mark.parametrize(("act", "code", "text"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_has_rabbitmq_s_code_and_words(
    host: VirtualHost, act: Callable[[VirtualHost], object], code: int, text: str
) -> None:
    with pytest.raises(Refused) as refused:
        act(host)
    assert (refused.value.code, str(refused.value)) == (code, text)


@pytest.mark.parametrize(("act", "code", "text"), REFUSALS.values(), ids=REFUSALS)
def test_after_a_refusal_all_is_as_before(
    host: VirtualHost, act: Callable[[VirtualHost], object], code: int, text: str
) -> None:
    with pytest.raises(Refused):
        act(host)
    publish(host, "m")
    assert bodies(host.queues["q"]) == ["m"]
    assert not {"missing-q", "missing-x"} & {*host.queues, *host._exchanges}


def test_a_refusal_names_the_virtual_host_it_happened_in() -> None:
    with pytest.raises(Refused, match=r"^NOT_FOUND - no queue 'q' in vhost 'tests'$"):
        VirtualHost("tests", Clock()).queue("q", OWNER)


# Exclusive queues


@pytest.fixture
def mine(host: VirtualHost) -> Queue:
    """A queue that is exclusive to the owner's connection."""
    return host.declare_queue(Declaration("mine", False, True), OWNER)


@pytest.mark.parametrize(
    "act",
    [
        lambda host: host.queue("mine", STRANGER),
        lambda host: host.bind("mine", "d", "k", STRANGER),
        lambda host: host.declare_queue(Declaration("mine", False, True), STRANGER),
        lambda host: host.declare_queue(Declaration("mine"), STRANGER),
        lambda host: host.declare_queue(Declaration("mine", False), OWNER),
    ],
    ids=["use", "bind", "declare as it is", "declare as durable", "declare as not exclusive"],
)
def test_an_exclusive_queue_is_locked(
    host: VirtualHost, mine: Queue, act: Callable[[VirtualHost], object]
) -> None:
    with pytest.raises(Refused) as refused:
        act(host)
    assert (refused.value.code, refused.value.text) == (405, locked("mine"))


def test_the_owner_of_an_exclusive_queue_may_use_it(host: VirtualHost, mine: Queue) -> None:
    assert host.queue("mine", OWNER) is mine
    assert host.declare_queue(Declaration("mine", False, True), OWNER) is mine
    host.bind("mine", "d", "k", OWNER)


def test_anyone_may_publish_to_an_exclusive_queue(host: VirtualHost, mine: Queue) -> None:
    publish(host, "m", "", "mine")
    assert bodies(mine) == ["m"]
