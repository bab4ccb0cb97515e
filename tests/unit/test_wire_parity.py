"""Comparison of programs of AMQP methods, and its reports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import mooq
from mooq.basics.address import Address
from mooq.parity import search
from mooq.parity.search import Search
from mooq.parity.wire.comparison import WireComparison, as_test, compared, in_memory
from mooq.parity.wire.outcomes import delivery_line, differing
from mooq.parity.wire.programs import Pause, Publish, Send, Settle, Typed

EXPIRING = (
    Send(0, 1, "queue.declare", {"queue": "q1", "arguments": {"x-dead-letter-exchange": ""}}),
    Send(0, 1, "queue.declare", {"queue": "q2", "arguments": {"x-message-ttl": 100}}),
    Send(1, 1, "basic.consume", {"queue": "q1", "consumer_tag": "c"}),
    Publish(0, 1, "", "q1", "m", properties={"headers": {"h": 2, "g": "s"}}),
    Publish(0, 1, "", "q2", "n"),
    Pause(),
    Settle(1, 1, "basic.nack", 0, requeue=True),
    Settle(1, 1, "basic.reject", 0),
    Send(0, 2, "exchange.declare", {"exchange": "x1", "type": "x-nothing"}),
    Send(1, 1, "channel.close", {"reply_code": 200}),
    Send(1, 1, "connection.close", {"reply_code": 200}),
)


QUORUM = {"x-queue-type": "quorum"}
SHARED = (
    Send(0, 1, "queue.declare", {"queue": "q1", "durable": True, "arguments": QUORUM}),
    Publish(0, 1, "", "q1", "m"),
    Send(1, 1, "basic.consume", {"queue": "q1", "consumer_tag": "c"}),
    Send(1, 2, "basic.consume", {"queue": "q1", "consumer_tag": "c"}),
    Send(1, 1, "connection.close", {"reply_code": 200}),
    Send(0, 1, "basic.get", {"queue": "q1"}),
)
"""A program after whose fifth step RabbitMQ leaves the count of deliveries open."""


@pytest.fixture
def served() -> Iterator[Address]:
    """A served in-memory broker that behaves as RabbitMQ 3.10."""
    with mooq.InMemoryBroker(host="wire", port=1, version="3.10") as broker:
        yield Address.from_url(broker.url)


def test_brokers_of_the_same_version_agree(served: Address) -> None:
    assert compared(EXPIRING, served) is None
    comparison = WireComparison(served)
    findings = Search(comparison).search(seed=3, operations=300)
    comparison.close()
    assert findings.operations >= 300
    assert findings.divergences == []


def test_program_ends_where_rabbitmq_leaves_the_outcome_open(served: Address) -> None:
    assert len(in_memory(SHARED, "4.0", served)) == 4
    one_channel = (*SHARED[:3], *SHARED[4:])
    assert len(in_memory(one_channel, "4.0", served)) == len(one_channel)


def test_generated_test_imports_what_it_uses(served: Address) -> None:
    typed = Send(0, 1, "queue.declare", {"arguments": {"x-a": Typed("short", 2)}})
    assert "import Publish, Send, Typed\n" in as_test((typed, SHARED[1]))
    assert "import Publish, Send\n" in as_test(SHARED)


def test_difference_is_found_and_shown_as_a_test(
    served: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooq.parity.wire.comparison.followed", lambda _: "4.0")
    monkeypatch.setattr(search, "LONGEST_SHRINKING", 1.0)
    comparison = WireComparison(served)
    findings = Search(comparison).search(seed=3, operations=2000)
    comparison.close()
    (divergence,) = findings.divergences
    text = str(divergence)
    assert text.startswith("The in-memory broker differs from RabbitMQ 3.10.8:")
    assert "As a test:\n\nfrom mooq.basics.address import Address\n" in text


def test_difference_shows_step_and_both_answers(
    served: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooq.parity.wire.comparison.followed", lambda _: "4.0")
    divergence = compared(EXPIRING, served)
    assert divergence is not None
    assert "≠" in str(divergence)
    assert "  4 Publish(0, 1, '', 'q1', 'm', properties={'headers'" in str(divergence)


def delivery(tag: int, consumer: str, queue: str, body: str = "m") -> str:
    fields = {"consumer_tag": consumer, "delivery_tag": tag}
    return delivery_line(f"basic.deliver {fields} {body}", queue)


TWO_QUEUES = {"0.1 deliveries": (delivery(1, "c", "q1"), delivery(2, "d", "q2"))}
OTHER_ORDER = {"0.1 deliveries": (delivery(1, "d", "q2"), delivery(2, "c", "q1"))}
REPLY = {"0.1 replies": ("basic.get-empty",)}


def test_order_of_deliveries_from_several_queues_may_differ() -> None:
    assert differing([TWO_QUEUES], [OTHER_ORDER]) == []


def test_comparison_ends_where_the_delivery_tags_differ() -> None:
    assert differing([REPLY, TWO_QUEUES, {}], [{}, OTHER_ORDER, REPLY]) == [1]


@pytest.mark.parametrize(
    "other",
    [
        {"0.1 deliveries": (delivery(1, "d", "q1"), delivery(2, "c", "q1"))},
        {"0.1 deliveries": (delivery(1, "d", "q2"), delivery(2, "c", "q1", "n"))},
        {"0.2 deliveries": OTHER_ORDER["0.1 deliveries"]},
        {"0.1 deliveries": OTHER_ORDER["0.1 deliveries"][:1]},
        {**OTHER_ORDER, **REPLY},
        {},
    ],
)
def test_other_differences_count(other: dict[str, tuple[str, ...]]) -> None:
    assert differing([TWO_QUEUES], [other]) == [1]


def test_order_of_deliveries_from_one_queue_counts() -> None:
    mine = {"0.1 deliveries": (delivery(1, "c", "q1"), delivery(2, "d", "q1"))}
    other = {"0.1 deliveries": (delivery(1, "d", "q1"), delivery(2, "c", "q1"))}
    assert differing([mine], [other]) == [1]


def test_missing_outcome_counts() -> None:
    assert differing([REPLY, {}], [REPLY]) == [2]
