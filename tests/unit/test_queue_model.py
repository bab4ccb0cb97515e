"""One queue beside a naive model of it: anything may happen, in any order."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mooq.broker.direct.queue import Consumer, Queue
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Delivery, Message


class NaiveQueue(RuleBasedStateMachine):
    """A queue beside a list: what is ready, what is held by whom, whose turn it is."""

    @initialize()
    def begin(self) -> None:
        self.queue = Queue(Declaration("q"))
        self.published = 0
        self.settled: set[int] = set()
        self.ready: list[tuple[int, bool]] = []  # number, redelivered
        self.held: dict[int, tuple[Delivery, str]] = {}  # by number: the owner, "get" for gets
        self.late: list[Delivery] = []
        self.transient: set[int] = set()
        self.turns: list[str] = []  # consumers, but for those passed over since they were full
        self.consumers: dict[str, Consumer] = {}
        self.prefetch: dict[str, int] = {}

    @rule(some=st.lists(st.booleans(), min_size=1, max_size=6))
    def publish(self, some: list[bool]) -> None:
        """Some are persistent, some are not."""
        for persistent in some:
            number = self.published
            self.published += 1
            self.ready.append((number, False))
            if not persistent:
                self.transient.add(number)
            self.queue.push(Message(str(number).encode(), "", "q", persistent=persistent))
            self.full_ones_are_passed_over()

    @precondition(lambda self: len(self.consumers) < 3)
    @rule(prefetch=st.integers(1, 3))
    def a_consumer_joins(self, prefetch: int) -> None:
        name = f"consumer {len(self.prefetch)}"
        self.prefetch[name] = prefetch
        self.turns.append(name)
        consumer = Consumer(name, prefetch, partial(self.delivered, name), lambda: None)
        self.consumers[name] = consumer
        self.queue.add(consumer)
        self.full_ones_are_passed_over()

    @precondition(lambda self: self.consumers)
    @rule(data=st.data(), goes=st.booleans())
    def a_consumer_leaves(self, data: st.DataObject, goes: bool) -> None:
        """It leaves, and perhaps its channel closes with it."""
        name = data.draw(st.sampled_from(sorted(self.consumers)))
        self.queue.remove(self.consumers.pop(name))
        self.turns = [other for other in self.turns if other != name]
        if goes:
            self.give_back([n for n, (_, owner) in self.held.items() if owner == name])

    @rule()
    def get(self) -> None:
        delivery = self.queue.take("get")
        if self.ready:
            assert delivery is not None
            self.handed_out("get", delivery)
        else:
            assert delivery is None

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.held)))
        delivery, owner = self.held.pop(number)
        self.settled.add(number)
        self.late.append(delivery)
        self.comes_back(owner)
        assert self.queue.settle(delivery.receipt)
        self.full_ones_are_passed_over()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def some_are_given_back(self, data: st.DataObject) -> None:
        self.give_back(data.draw(st.lists(st.sampled_from(sorted(self.held)), unique=True)))

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def settle_too_late(self, data: st.DataObject) -> None:
        delivery = data.draw(st.sampled_from(self.late))
        assert not self.queue.settle(delivery.receipt)
        self.queue.requeue([delivery.receipt])

    @rule()
    def restart(self) -> None:
        self.turns = []
        self.consumers = {}
        for number, (delivery, _) in self.held.items():
            self.ready.append((number, True))
            self.late.append(delivery)
        self.held = {}
        self.queue.restart()
        self.settled |= {number for number, _ in self.ready if number in self.transient}
        self.ready = sorted(pair for pair in self.ready if pair[0] not in self.settled)

    def give_back(self, numbers: list[int]) -> None:
        deliveries = [self.held.pop(number) for number in numbers]
        for number, (delivery, owner) in zip(numbers, deliveries, strict=True):
            self.ready.append((number, True))
            self.late.append(delivery)
            self.comes_back(owner)
        self.ready.sort()
        self.queue.requeue([delivery.receipt for delivery, _ in deliveries])
        self.full_ones_are_passed_over()

    def comes_back(self, owner: str) -> None:
        if owner in self.consumers and owner not in self.turns:
            self.turns.append(owner)

    def full_ones_are_passed_over(self) -> None:
        """It was everybody's turn, and a message is left."""
        if self.ready:
            assert not any(map(self.has_room, self.turns))
            self.turns = []

    def delivered(self, name: str, delivery: Delivery) -> None:
        while not self.has_room(self.turns[0]):
            self.turns.pop(0)
        assert self.turns.pop(0) == name
        self.turns.append(name)
        self.handed_out(name, delivery)

    def handed_out(self, owner: str, delivery: Delivery) -> None:
        number = int(delivery.message.body)
        assert (number, delivery.redelivered) == self.ready.pop(0)
        self.held[number] = delivery, owner

    def holds(self, name: str) -> int:
        return sum(owner == name for _, owner in self.held.values())

    def has_room(self, name: str) -> bool:
        return self.holds(name) < self.prefetch[name]

    @invariant()
    def nothing_is_lost_and_nothing_is_there_twice(self) -> None:
        everywhere = [*(number for number, _ in self.ready), *self.held, *self.settled]
        assert sorted(everywhere) == list(range(self.published))
        assert len(self.queue) == len(self.ready)

    @invariant()
    def nobody_holds_more_than_its_prefetch(self) -> None:
        for name, consumer in self.consumers.items():
            assert consumer.unsettled == self.holds(name) <= self.prefetch[name]

    @invariant()
    def no_message_waits_while_a_consumer_has_room(self) -> None:
        room = set(filter(self.has_room, self.consumers))
        assert room <= set(self.turns)
        assert not (room and len(self.queue))


TestAQueueBesideANaiveList: Any = NaiveQueue.TestCase
TestAQueueBesideANaiveList.settings = settings(max_examples=80, stateful_step_count=40)
