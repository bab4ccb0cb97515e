"""One queue: order, what is unacknowledged, redelivery, prefetch, round robin.

``0A`` is message 0 given to consumer A, ``0RA`` the same redelivered; ``0`` and ``0R`` are
messages taken by a get. The sequences are what RabbitMQ 3.10, 4.0 and 4.3 did (classic queues).
"""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice

import pytest

from mooq.broker.direct.queue import Consumer, Queue
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Delivery, Message

NO_LIMIT = 65535


def message(number: int, *, persistent: bool = True) -> Message:
    return Message(str(number).encode(), "", "q", persistent=persistent)


class Line:
    """A queue, and in ``said`` who was given what of it."""

    def __init__(self, backlog: int = 0) -> None:
        self.queue = Queue(Declaration("q"))
        self.consumers: dict[str, Consumer] = {}
        self.held: dict[str, Delivery] = {}
        self._said: list[str] = []
        self._published = 0
        self.publish(backlog)

    def publish(self, count: int = 1) -> None:
        for _ in range(count):
            self.queue.push(message(self._published))
            self._published += 1

    def consume(self, *names: str, prefetch: int = NO_LIMIT) -> None:
        for name in names:
            consumer = Consumer(name, prefetch, partial(self._given, name), lambda: None)
            self.consumers[name] = consumer
            self.queue.add(consumer)

    def cancel(self, name: str) -> None:
        self.queue.remove(self.consumers.pop(name))

    def close(self, owner: str) -> None:
        """End the channel of a consumer, or of ``"get"``."""
        if owner in self.consumers:
            self.cancel(owner)
        self.queue.requeue(self.queue.held_by(owner))

    def get(self, count: int) -> None:
        for _ in range(count):
            delivery = self.queue.take("get")
            assert delivery is not None
            self._given("", delivery)

    def acknowledge(self, *given: str) -> None:
        for each in given:
            assert self.queue.settle(self.held.pop(each).receipt)

    def give_back(self, *given: str) -> None:
        for each in given:
            self.queue.requeue([self.held.pop(each).receipt])

    def said(self) -> str:
        """Return what was given since the last time."""
        said, self._said = self._said, []
        return " ".join(said)

    def rest(self) -> str:
        """Take, and acknowledge, all that is ready."""
        self.said()
        self.get(len(self.queue))
        rest = self.said()
        self.acknowledge(*rest.split())
        return rest

    def _given(self, name: str, delivery: Delivery) -> None:
        given = delivery.message.body.decode() + "R" * delivery.redelivered + name
        assert given not in self.held
        self.held[given] = delivery
        self._said.append(given)


# Round robin


def test_consumers_take_turns_in_the_order_they_came_and_as_they_come_and_go() -> None:
    line = Line()
    line.consume("A", "B", "C")
    line.publish(7)
    assert line.said() == "0A 1B 2C 3A 4B 5C 6A"
    line.consume("D")
    line.publish(9)
    assert line.said() == "7B 8C 9A 10D 11B 12C 13A 14D 15B"
    line.cancel("B")
    line.publish(8)
    assert line.said() == "16C 17A 18D 19C 20A 21D 22C 23A"
    line.consume("B")
    line.publish(8)
    assert line.said() == "24D 25C 26A 27B 28D 29C 30A 31B"


def test_a_newcomer_has_its_turn_after_all_others() -> None:
    line = Line()
    line.consume("A", "B")
    line.publish()
    line.consume("C")
    line.publish(6)
    assert line.said() == "0A 1B 2A 3C 4B 5A 6C"


def test_the_turn_of_a_consumer_that_left_goes_to_the_next() -> None:
    line = Line()
    line.consume("A", "B", "C")
    line.publish()
    line.cancel("B")
    line.publish(4)
    assert line.said() == "0A 1C 2A 3C 4A"


def test_seven_consumers_get_a_seventh_each_strictly_in_turn() -> None:
    line = Line()
    line.consume(*"ABCDEFG")
    line.publish(7000)
    takers = [given[-1] for given in line.said().split()]
    assert takers == list(islice(cycle("ABCDEFG"), 7000))


def test_a_backlog_goes_to_whoever_comes_first_and_has_room() -> None:
    line = Line(backlog=6)
    line.consume("A")
    line.consume("B")
    assert line.said() == "0A 1A 2A 3A 4A 5A"


# Prefetch


def test_a_consumer_with_a_prefetch_of_one_gets_the_next_when_it_acknowledges() -> None:
    line = Line()
    line.consume("A", "B", prefetch=1)
    line.publish(8)
    assert line.said() == "0A 1B"
    line.acknowledge("1B")
    assert line.said() == "2B"
    line.acknowledge("2B")
    assert line.said() == "3B"
    line.acknowledge("0A")
    assert line.said() == "4A"


def test_each_consumer_of_a_channel_has_a_prefetch_of_its_own() -> None:
    line = Line()
    line.consume("A", "B", prefetch=2)
    line.publish(8)
    assert line.said() == "0A 1B 2A 3B"


def test_a_full_consumer_leaves_the_ring_and_comes_back_at_its_end() -> None:
    line = Line()
    line.consume("A", prefetch=1)
    line.consume("B")
    line.publish(8)
    assert line.said() == "0A 1B 2B 3B 4B 5B 6B 7B"
    line.acknowledge("0A")
    line.publish(6)
    assert line.said() == "8B 9A 10B 11B 12B 13B"


def test_a_consumer_that_came_back_has_one_turn_like_all_others() -> None:
    line = Line()
    line.consume("A", prefetch=2)
    line.publish(3)
    line.acknowledge("0A")
    line.acknowledge("1A")
    line.acknowledge("2A")
    line.consume("B")
    line.publish(4)
    assert line.said() == "0A 1A 2A 3A 4B 5A 6B"


def test_a_full_consumer_keeps_its_turn_if_it_has_room_when_the_turn_comes() -> None:
    line = Line()
    line.consume("A", prefetch=1)
    line.consume("B")
    line.publish(2)
    line.acknowledge("0A")
    line.publish(2)
    assert line.said() == "0A 1B 2A 3B"


def test_nothing_limits_what_is_unacknowledged_without_a_prefetch() -> None:
    line = Line()
    line.consume("A")
    line.publish(20_000)
    assert line.said() == " ".join(f"{number}A" for number in range(20_000))


def test_what_a_consumer_got_by_get_does_not_count_towards_its_prefetch() -> None:
    line = Line(backlog=1)
    line.get(1)
    line.consume("get", prefetch=1)
    line.publish()
    assert line.said() == "0 1get"


# Order, and what comes back


def test_messages_leave_in_the_order_they_were_published() -> None:
    assert Line(backlog=5).rest() == "0 1 2 3 4"


def test_an_empty_queue_has_nothing_to_take() -> None:
    assert Line().queue.take("get") is None


def test_what_a_channel_holds_when_it_closes_returns_to_its_place_as_redelivered() -> None:
    line = Line(backlog=6)
    line.get(4)
    line.acknowledge("1")
    line.close("get")
    assert line.rest() == "0R 2R 3R 4 5"


def test_what_a_lost_consumer_held_comes_before_what_is_published_later() -> None:
    line = Line(backlog=5)
    line.consume("A")
    line.close("A")
    line.publish()
    assert line.rest() == "0R 1R 2R 3R 4R 5"


def test_what_a_closed_channel_held_goes_to_the_consumers_that_are_left() -> None:
    line = Line()
    line.consume("A", prefetch=3)
    line.publish(3)
    line.consume("B")
    line.publish(2)
    assert line.said() == "0A 1A 2A 3B 4B"
    line.close("A")
    assert line.said() == "0RB 1RB 2RB"


def test_a_message_that_is_given_back_returns_to_its_place() -> None:
    line = Line(backlog=5)
    line.get(3)
    line.give_back("1")
    assert line.rest() == "1R 3 4"
    line.give_back("0")
    line.give_back("2")
    assert line.rest() == "0R 2R"


def test_messages_return_to_their_places_in_whatever_order_they_are_given_back() -> None:
    line = Line(backlog=5)
    line.get(3)
    line.give_back("2", "0", "1")
    assert line.rest() == "0R 1R 2R 3 4"


def test_several_messages_may_be_given_back_at_once() -> None:
    line = Line(backlog=6)
    line.get(5)
    line.queue.requeue([line.held.pop(each).receipt for each in ("2", "0", "1")])
    assert line.rest() == "0R 1R 2R 5"
    line.acknowledge("3", "4")
    line.close("get")
    assert line.rest() == ""


def test_a_channel_may_give_back_all_it_holds_and_go_on() -> None:
    line = Line(backlog=3)
    line.get(2)
    line.queue.requeue(line.queue.held_by("get"))
    assert line.rest() == "0R 1R 2"


def test_a_lone_consumer_gets_what_it_gave_back_at_once() -> None:
    line = Line(backlog=2)
    line.consume("A", prefetch=1)
    line.give_back("0A")
    line.give_back("0RA")
    line.acknowledge("0RA")
    assert line.said() == "0A 0RA 0RA 1A"


def test_what_comes_back_comes_after_what_was_delivered_already() -> None:
    line = Line(backlog=3)
    line.consume("A")
    line.give_back("0A")
    assert line.said() == "0A 1A 2A 0RA"


def test_what_one_consumer_gives_back_goes_to_the_next_in_turn() -> None:
    line = Line()
    line.consume("A", "B")
    line.publish()
    line.give_back("0A")
    assert line.said() == "0A 0RB"


def test_a_message_may_come_back_without_end() -> None:
    line = Line(backlog=1)
    line.get(1)
    line.give_back("0")
    for _ in range(24):
        line.get(1)
        line.give_back("0R")
    assert line.said() == "0 " + " ".join(["0R"] * 24)


def test_a_thousand_messages_come_back_in_order() -> None:
    line = Line(backlog=1000)
    line.consume("A")
    line.close("A")
    line.said()
    line.consume("B")
    assert line.said() == " ".join(f"{number}RB" for number in range(1000))


def test_what_is_done_with_does_not_come_back() -> None:
    line = Line(backlog=2)
    line.get(2)
    line.acknowledge("0")
    line.close("get")
    assert line.rest() == "1R"


def test_settling_a_message_twice_changes_nothing() -> None:
    line = Line(backlog=3)
    line.get(2)
    entry = line.held["0"].receipt
    assert line.queue.settle(entry)
    assert not line.queue.settle(entry)
    line.queue.requeue([entry])
    line.close("get")
    assert line.rest() == "1R 2"


def test_settling_a_delivery_that_was_given_back_does_not_settle_the_next_one() -> None:
    line = Line(backlog=1)
    line.get(1)
    first = line.held["0"].receipt
    line.give_back("0")
    line.get(1)
    assert not line.queue.settle(first)
    line.give_back("0R")
    assert line.rest() == "0R"


def test_a_cancelled_consumer_still_holds_what_it_got_and_may_acknowledge_it() -> None:
    line = Line(backlog=4)
    line.consume("A", prefetch=2)
    line.cancel("A")
    assert len(line.queue) == 2
    line.acknowledge("0A", "1A")
    assert line.said() == "0A 1A"
    assert line.rest() == "2 3"


def test_the_length_counts_only_what_is_ready() -> None:
    line = Line(backlog=2)
    assert len(line.queue) == 2
    line.get(1)
    assert len(line.queue) == 1
    line.give_back("0")
    assert len(line.queue) == 2


def test_a_cleared_queue_has_nothing_and_its_late_acknowledgements_are_harmless() -> None:
    line = Line(backlog=3)
    line.get(2)
    line.give_back("1")
    line.queue.clear()
    assert len(line.queue) == 0
    assert not line.queue.settle(line.held["0"].receipt)
    line.queue.requeue([line.held["0"].receipt])
    assert line.rest() == ""


@pytest.mark.parametrize("transient", range(9))
def test_a_restart_loses_transient_messages_and_keeps_the_others_in_order(transient: int) -> None:
    queue = Queue(Declaration("q"))
    for number in range(9):
        queue.push(message(number, persistent=number != transient))
    held = [queue.take("get") for _ in range(7)]
    queue.requeue([delivery.receipt for delivery in reversed(held) if delivery is not None])
    queue.restart()
    left = [queue.take("get") for _ in range(len(queue))]
    assert [
        (int(delivery.message.body), delivery.redelivered)
        for delivery in left
        if delivery is not None
    ] == [(number, number < 7) for number in range(9) if number != transient]
