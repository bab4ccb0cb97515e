"""One virtual host: declaring, binding, publishing, deleting, restart."""

from __future__ import annotations

import re
from functools import partial

import pytest

from mooq.broker.direct.queue import Consumer
from mooq.broker.direct.virtual_host import VirtualHost
from mooq.errors import Refused
from mooq.transports.declarations import Exchange
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Message
from tests.unit.driving import OWNER, STRANGER, bodies, publish, take

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
