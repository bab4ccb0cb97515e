"""Faults to put into the in-memory broker, each of which parity must notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooq.broker.direct import broker, queue, routing, virtual_host
from mooq.errors import Refused
from mooq.transports.message import Outcome

Fault = Callable[[pytest.MonkeyPatch], None]


def last_in_first_out(patch: pytest.MonkeyPatch) -> None:
    def pop(self: queue.Queue) -> queue.Entry:
        return queue.Entry(self, self._next_position, self._fresh.pop())

    patch.setattr(queue.Queue, "_pop", pop)


def requeued_to_the_end(patch: pytest.MonkeyPatch) -> None:
    def requeue(self: queue.Queue, entries: Any) -> None:
        for entry in [one for one in entries if one in self._unsettled]:
            self._release(entry)
            self.push(entry.message)
        self._drain()

    patch.setattr(queue.Queue, "requeue", requeue)


def never_redelivered(patch: pytest.MonkeyPatch) -> None:
    hand_out = queue.Queue._hand_out

    def without_flag(self: queue.Queue, entry: queue.Entry, owner: object) -> Any:
        return hand_out(self, entry, owner)._replace(redelivered=False)

    patch.setattr(queue.Queue, "_hand_out", without_flag)


def no_prefetch_limit(patch: pytest.MonkeyPatch) -> None:
    consumer = queue.Consumer.__init__

    def unlimited(self: queue.Consumer, owner: object, _: int, *calls: Any) -> None:
        consumer(self, owner, 65535, *calls)

    patch.setattr(queue.Consumer, "__init__", unlimited)


def the_first_consumer_has_every_turn(patch: pytest.MonkeyPatch) -> None:
    drain = queue.Queue._drain

    def unfair(self: queue.Queue) -> None:
        self._ring = type(self._ring)(sorted(self._ring, key=self.consumers.index))
        drain(self)

    patch.setattr(queue.Queue, "_drain", unfair)


def a_full_consumer_loses_its_turn(patch: pytest.MonkeyPatch) -> None:
    drain = queue.Queue._drain

    def at_once(self: queue.Queue) -> None:
        drain(self)
        for consumer in [one for one in self._ring if one.unsettled >= one.prefetch_count]:
            self._ring.remove(consumer)
            consumer.is_passed_over = True

    patch.setattr(queue.Queue, "_drain", at_once)


def a_copy_for_every_binding(patch: pytest.MonkeyPatch) -> None:
    route = routing.TopicBindings.route

    def twice(self: Any, key: str) -> Any:
        return [one for one in route(self, key) for _ in self._patterns[one]]

    patch.setattr(routing.TopicBindings, "route", twice)


def the_empty_key_misses_a_lone_hash(patch: pytest.MonkeyPatch) -> None:
    route = routing.TopicBindings.route

    def misroute(self: Any, key: str) -> Any:
        return [one for one in route(self, key) if key or "" in self._patterns[one]]

    patch.setattr(routing.TopicBindings, "route", misroute)


def fanout_by_key(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(routing.BINDINGS, "fanout", routing.DirectBindings)


def dead_letters_are_lost(patch: pytest.MonkeyPatch) -> None:
    def reject(self: virtual_host.VirtualHost, entry: queue.Entry) -> None:
        entry.queue.settle(entry)

    patch.setattr(virtual_host.VirtualHost, "reject", reject)


def a_death_leaves_no_record(patch: pytest.MonkeyPatch) -> None:
    def unmarked(self: Any, message: Any, _: str, target: str, *more: Any) -> Any:
        return message._replace(exchange=target)

    patch.setattr(virtual_host.VirtualHost, "_dead_letter", unmarked)


def nothing_is_exclusive(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(virtual_host.VirtualHost, "_check_lock", lambda *_, **__: None)


def types_may_differ(patch: pytest.MonkeyPatch) -> None:
    declare = virtual_host.VirtualHost.declare_exchange

    def declare_any(self: virtual_host.VirtualHost, exchange: Any) -> None:
        if exchange.name not in self._exchanges:
            declare(self, exchange)

    patch.setattr(virtual_host.VirtualHost, "declare_exchange", declare_any)


def other_words(patch: pytest.MonkeyPatch) -> None:
    refuse = Refused.__init__

    def in_lower_case(self: Any, code: int, text: str) -> None:
        refuse(self, code, text.lower())

    patch.setattr(Refused, "__init__", in_lower_case)


def own_queues_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(broker.Channel, "_delete_unused", lambda *_: None)


def bindings_outlive_their_queue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(routing.DirectBindings, "unbind_queue", lambda *_: None)


def unroutable_is_never_an_error(patch: pytest.MonkeyPatch) -> None:
    publish = virtual_host.VirtualHost.publish

    def leniently(self: virtual_host.VirtualHost, message: Any, mandatory: bool = False) -> None:
        publish(self, message, mandatory=False)

    patch.setattr(virtual_host.VirtualHost, "publish", leniently)


def a_restart_forgets_everything(patch: pytest.MonkeyPatch) -> None:
    def restart(self: virtual_host.VirtualHost) -> None:
        for one in list(self.queues.values()):
            self.delete_queue(one)

    patch.setattr(virtual_host.VirtualHost, "restart", restart)


def what_a_channel_held_is_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(queue.Queue, "held_by", lambda *_: [])


def given_back_is_acknowledged(patch: pytest.MonkeyPatch) -> None:
    settle = broker.Channel.settle

    def wrongly(self: broker.Channel, entry: queue.Entry, outcome: Outcome) -> None:
        settle(self, entry, Outcome.ACKNOWLEDGE if outcome is Outcome.GIVE_BACK else outcome)

    patch.setattr(broker.Channel, "settle", wrongly)


FAULTS: tuple[Fault, ...] = (
    last_in_first_out,
    requeued_to_the_end,
    never_redelivered,
    no_prefetch_limit,
    the_first_consumer_has_every_turn,
    a_full_consumer_loses_its_turn,
    a_copy_for_every_binding,
    the_empty_key_misses_a_lone_hash,
    fanout_by_key,
    dead_letters_are_lost,
    a_death_leaves_no_record,
    nothing_is_exclusive,
    types_may_differ,
    other_words,
    own_queues_stay,
    bindings_outlive_their_queue,
    unroutable_is_never_an_error,
    a_restart_forgets_everything,
    what_a_channel_held_is_lost,
    given_back_is_acknowledged,
)
