"""Rejected messages, and the record of their deaths, as RabbitMQ 4.0.5 keeps it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mooq.broker.direct.queue import Consumer, Queue
from mooq.broker.direct.virtual_host import VirtualHost
from mooq.transports.declarations import Exchange
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Delivery, Message
from tests.unit.driving import FIRST, OWNER, TAKER, bodies, publish, take


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
        other.requeue(other.held_by(TAKER))
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
