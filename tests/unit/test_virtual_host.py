"""One virtual host: declaring, binding, publishing, dead letters, restart, and what is refused.

Refusals are compared with what RabbitMQ 4.0.5 answered, word for word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from mooq.errors import Refused
from mooq.memory_broker.queue import Consumer, Queue
from mooq.memory_broker.virtual_host import VirtualHost
from mooq.message import Delivery, Message
from mooq.topology import Exchange
from mooq.topology import Queue as Declaration

OWNER, STRANGER = "the owner's connection", "another connection"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A time of day that advances by a second whenever it is asked."""

    def __init__(self) -> None:
        self.now = FIRST

    def __call__(self) -> datetime:
        now = self.now
        self.now += timedelta(seconds=1)
        return now


@pytest.fixture
def host() -> VirtualHost:
    """A virtual host with the direct exchange ``d`` and the durable queue ``q``, bound by ``k``."""
    host = VirtualHost("/", Clock())
    host.declare_exchange(Exchange("d", "direct"))
    host.declare_queue(Declaration("q"), OWNER)
    host.bind("q", "d", "k", OWNER)
    return host


def publish(host: VirtualHost, body: str, exchange: str = "d", key: str = "k", **more: Any) -> None:
    host.publish(Message(body.encode(), exchange, key, **more))


def take(queue: Queue) -> Delivery:
    delivery = queue.take("a channel")
    assert delivery is not None
    return delivery


def bodies(queue: Queue) -> list[str]:
    """Take all that is ready."""
    return [take(queue).message.body.decode() for _ in range(len(queue))]


def locked(name: str) -> str:
    return (
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. "
        "It could be originally declared on another connection or the exclusive property value "
        "does not match that of the original declaration."
    )


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


# Declaring


def test_declaring_again_what_exists_leaves_it_as_it_is(host: VirtualHost) -> None:
    publish(host, "before")
    host.declare_exchange(Exchange("d", "direct"))
    queue = host.declare_queue(Declaration("q"), STRANGER)
    publish(host, "after")
    assert bodies(queue) == ["before", "after"]


@pytest.mark.parametrize("kind", ["direct", "fanout", "topic"])
def test_the_predeclared_exchanges_can_be_bound_and_published_to(
    host: VirtualHost, kind: str
) -> None:
    host.bind("q", f"amq.{kind}", "key", OWNER)
    publish(host, "m", f"amq.{kind}", "key")
    assert bodies(host.queues["q"]) == ["m"]


@pytest.mark.parametrize("name", ["amq.headers", "amq.match"])
def test_the_predeclared_headers_exchanges_take_messages_and_route_none(
    host: VirtualHost, name: str
) -> None:
    publish(host, "m", name)
    with pytest.raises(Refused, match="NO_ROUTE"):
        host.publish(Message(b"m", name, "k"), mandatory=True)


def test_a_queue_without_a_name_gets_one_as_rabbitmq_makes_them(host: VirtualHost) -> None:
    declaration = Declaration("", False, True, True, "d")
    names = {host.declare_queue(declaration, OWNER).name for _ in range(20)}
    assert len(names) == 20
    for name in names:
        assert re.fullmatch(r"amq\.gen-[A-Za-z0-9_-]{22}", name)
        assert host.queues[name].declaration == Declaration(name, False, True, True, "d")


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


# Routing


def test_the_default_exchange_routes_by_the_name_of_the_queue(host: VirtualHost) -> None:
    publish(host, "m", "", "q")
    publish(host, "nowhere", "", "Q")
    assert bodies(host.queues["q"]) == ["m"]


def test_a_message_that_no_queue_is_bound_for_is_confirmed_and_dropped(host: VirtualHost) -> None:
    publish(host, "m", "d", "other")
    publish(host, "m", "", "missing-q")
    assert bodies(host.queues["q"]) == []


def test_a_mandatory_message_that_is_routed_arrives(host: VirtualHost) -> None:
    host.publish(Message(b"m", "d", "k"), mandatory=True)
    assert bodies(host.queues["q"]) == ["m"]


def test_a_queue_bound_to_two_exchanges_gets_what_is_published_to_each(host: VirtualHost) -> None:
    host.declare_exchange(Exchange("f", "fanout"))
    host.bind("q", "f", "", OWNER)
    publish(host, "1", "d")
    publish(host, "2", "f", "any")
    assert bodies(host.queues["q"]) == ["1", "2"]


def test_a_queue_bound_by_two_matching_keys_gets_one_copy(host: VirtualHost) -> None:
    host.declare_exchange(Exchange("t", "topic"))
    for key in ("a.*", "*.b", "*.b"):
        host.bind("q", "t", key, OWNER)
    publish(host, "m", "t", "a.b")
    assert bodies(host.queues["q"]) == ["m"]


def test_a_delivery_carries_the_key_and_the_exchange_of_its_publication(host: VirtualHost) -> None:
    host.declare_exchange(Exchange("f", "fanout"))
    for key in ("x", "y"):
        host.bind("q", "f", key, OWNER)
    message = Message(b"m", "f", "zzz", "id", "text/plain", {"a": 1})
    host.publish(message)
    assert take(host.queues["q"])[:2] == (message, False)
    assert len(host.queues["q"]) == 0


def test_every_queue_has_all_messages_in_order_of_publication(host: VirtualHost) -> None:
    host.declare_exchange(Exchange("f", "fanout"))
    queues = [host.declare_queue(Declaration(name), OWNER) for name in "abcd"]
    for queue in queues:
        host.bind(queue.name, "f", "", OWNER)
    for number in range(50):
        publish(host, str(number), "f")
    assert [bodies(queue) for queue in queues] == [list(map(str, range(50)))] * 4


# Deleting


def test_a_deleted_queue_takes_its_bindings_and_messages_with_it(host: VirtualHost) -> None:
    host.declare_exchange(Exchange("t", "topic"))
    host.bind("q", "t", "#", OWNER)
    publish(host, "before")
    host.delete_queue(host.queues["q"])
    publish(host, "between")
    publish(host, "between", "t")
    assert "q" not in host.queues
    with pytest.raises(Refused, match="NO_ROUTE"):
        host.publish(Message(b"m", "t", "k"), mandatory=True)
    queue = host.declare_queue(Declaration("q"), OWNER)
    publish(host, "after")
    publish(host, "after", "t")
    assert bodies(queue) == []


def test_the_consumers_of_a_deleted_queue_are_told_once_it_is_gone(host: VirtualHost) -> None:
    queue = host.queues["q"]
    told: list[tuple[str, bool]] = []

    def tell(name: str) -> None:
        told.append((name, "q" in host.queues))

    for name in "AB":
        queue.add(Consumer(name, 10, lambda _: None, partial(tell, name)))
    host.delete_queue(queue)
    assert told == [("A", False), ("B", False)]
    assert queue.consumers == []


def test_settling_what_a_deleted_queue_had_delivered_is_harmless(host: VirtualHost) -> None:
    host.declare_queue(Declaration("w", dead_letter_exchange="d"), OWNER)
    host.bind("q", "d", "w", OWNER)
    publish(host, "m", "", "w")
    delivery = take(host.queues["w"])
    host.delete_queue(host.queues["w"])
    host.reject(delivery.receipt)
    assert bodies(host.queues["q"]) == []


# Dead letters, as RabbitMQ 4.0.5 records them


@pytest.fixture
def work(host: VirtualHost) -> Queue:
    """A queue whose rejected messages go to ``dead`` by the exchange ``dlx``, and back from it.

    ``work`` is bound to the exchange ``src``, to which ``dead`` dead-letters.
    """
    for name in ("src", "dlx"):
        host.declare_exchange(Exchange(name, "fanout"))
    queue = host.declare_queue(Declaration("work", dead_letter_exchange="dlx"), OWNER)
    host.declare_queue(Declaration("dead", dead_letter_exchange="src"), OWNER)
    host.bind("work", "src", "", OWNER)
    host.bind("dead", "dlx", "", OWNER)
    return queue


def reject(host: VirtualHost, queue: Queue) -> None:
    host.reject(take(queue).receipt)


def death(queue: str, exchange: str, count: int, second: int) -> dict[str, object]:
    return {
        "count": count,
        "reason": "rejected",
        "queue": queue,
        "time": FIRST + timedelta(seconds=second),
        "exchange": exchange,
        "routing-keys": ["a.b"],
    }


def last(queue: str, exchange: str) -> dict[str, str]:
    return {
        "x-first-death-exchange": "src",
        "x-first-death-queue": "work",
        "x-first-death-reason": "rejected",
        "x-last-death-exchange": exchange,
        "x-last-death-queue": queue,
        "x-last-death-reason": "rejected",
    }


def test_a_rejected_message_goes_to_the_dead_letter_exchange_with_a_record_of_its_death(
    host: VirtualHost, work: Queue
) -> None:
    host.publish(Message(b"m", "src", "a.b", "id", headers={"mine": 1}))
    reject(host, work)
    headers = {"mine": 1, "x-death": [death("work", "src", 1, 0)], **last("work", "src")}
    assert take(host.queues["dead"])[:2] == (
        Message(b"m", "dlx", "a.b", "id", headers=headers),
        False,
    )
    assert len(work) == 0


def test_a_message_that_dies_again_has_one_record_a_queue_the_latest_first(
    host: VirtualHost, work: Queue
) -> None:
    publish(host, "m", "src", "a.b")
    dead = host.queues["dead"]
    seen: list[Any] = []
    for queue in (work, dead, work, dead):
        reject(host, queue)
        other = dead if queue is work else work
        seen.append(take(other).message.headers)
        other.requeue(other.held_by("a channel"))
    assert seen == [
        {"x-death": [death("work", "src", 1, 0)], **last("work", "src")},
        {
            "x-death": [death("dead", "dlx", 1, 1), death("work", "src", 1, 0)],
            **last("dead", "dlx"),
        },
        {
            "x-death": [death("work", "src", 2, 0), death("dead", "dlx", 1, 1)],
            **last("work", "src"),
        },
        {
            "x-death": [death("dead", "dlx", 2, 1), death("work", "src", 2, 0)],
            **last("dead", "dlx"),
        },
    ]


def test_a_message_that_was_requeued_before_it_died_arrives_as_not_redelivered(
    host: VirtualHost, work: Queue
) -> None:
    publish(host, "m", "src", "a.b")
    work.requeue([take(work).receipt])
    reject(host, work)
    assert take(host.queues["dead"]).redelivered is False


def test_the_copies_of_a_dead_message_in_other_queues_stay_as_they_were(
    host: VirtualHost, work: Queue
) -> None:
    host.bind("q", "src", "", OWNER)
    headers: dict[str, Any] = {"mine": 1}
    host.publish(Message(b"m", "src", "a.b", headers=headers))
    reject(host, work)
    assert take(host.queues["q"]).message == Message(b"m", "src", "a.b", headers={"mine": 1})
    assert headers == {"mine": 1}


def test_the_default_exchange_can_take_dead_letters_even_back_to_their_queue(
    host: VirtualHost,
) -> None:
    queue = host.declare_queue(Declaration("self", dead_letter_exchange=""), OWNER)
    publish(host, "a", "", "self")
    publish(host, "b", "", "self")
    reject(host, queue)
    assert [take(queue).message.body for _ in range(2)] == [b"b", b"a"]


def test_dead_letters_to_a_missing_exchange_are_dropped(host: VirtualHost) -> None:
    queue = host.declare_queue(Declaration("w", dead_letter_exchange="missing-x"), OWNER)
    publish(host, "m", "", "w")
    reject(host, queue)
    assert len(queue) == 0


def test_a_rejected_message_of_a_queue_without_dead_letter_exchange_is_dropped(
    host: VirtualHost,
) -> None:
    publish(host, "m")
    reject(host, host.queues["q"])
    assert bodies(host.queues["q"]) == []


def test_a_rejection_makes_room_for_the_next_message(host: VirtualHost, work: Queue) -> None:
    given: list[Delivery] = []
    work.add(Consumer("A", 1, given.append, lambda: None))
    for body in "ab":
        publish(host, body, "src")
    host.reject(given[0].receipt)
    assert [delivery.message.body for delivery in given] == [b"a", b"b"]


def test_a_message_is_rejected_once(host: VirtualHost, work: Queue) -> None:
    publish(host, "m", "src", "a.b")
    receipt = take(work).receipt
    host.reject(receipt)
    host.reject(receipt)
    assert bodies(host.queues["dead"]) == ["m"]


# Restart


def test_a_restart_keeps_durable_queues_with_bindings_and_persistent_messages(
    host: VirtualHost,
) -> None:
    for body, persistent in (("0T", False), ("1P", True), ("2T", False), ("3P", True)):
        publish(host, body, persistent=persistent)
    queue = host.queues["q"]
    queue.requeue([take(queue).receipt, take(queue).receipt])
    host.restart()
    publish(host, "4")
    kept = [take(host.queues["q"]) for _ in range(3)]
    assert [(each.message.body, each.redelivered) for each in kept] == [
        (b"1P", True),
        (b"3P", False),
        (b"4", False),
    ]


@pytest.mark.parametrize(
    ("declaration", "survives"),
    [
        (Declaration("x"), True),
        (Declaration("x", auto_delete=True), True),
        (Declaration("x", durable=False), False),
        (Declaration("x", durable=False, auto_delete=True), False),
        (Declaration("x", exclusive=True), False),
        (Declaration("x", durable=False, exclusive=True, auto_delete=True), False),
    ],
    ids=[
        "durable",
        "durable auto-delete",
        "transient",
        "transient auto-delete",
        "durable exclusive",
        "transient exclusive auto-delete",
    ],
)
def test_a_restart_ends_transient_and_exclusive_queues(
    host: VirtualHost, declaration: Declaration, survives: bool
) -> None:
    host.declare_queue(declaration, OWNER)
    host.bind("x", "d", "k", OWNER)
    host.restart()
    assert ("x" in host.queues) is survives
    publish(host, "m")
    assert bodies(host.queues["q"]) == ["m"]


def test_a_restart_keeps_exchanges(host: VirtualHost) -> None:
    host.restart()
    with pytest.raises(Refused, match="inequivalent arg 'type' for exchange 'd'"):
        host.declare_exchange(Exchange("d", "topic"))
