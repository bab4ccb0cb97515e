"""Faults for the in-memory broker, each of which the parity checker must detect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooq.broker import (
    consumers,
    dead_letters,
    deliveries,
    exchanges,
    publisher,
    queue,
    ready,
    topics,
)
from mooq.broker import virtual_host as virtual_hosts
from mooq.errors import Refused

Fault = Callable[[pytest.MonkeyPatch], None]


def last_in_first_out(patch: pytest.MonkeyPatch) -> None:
    def pop(self: ready.ReadyMessages) -> ready.QueuedMessage:
        waiting: list[ready.QueuedMessage] = [*self]
        self.keep(waiting[:-1])
        return waiting[-1]

    patch.setattr(ready.ReadyMessages, "pop", pop)


def requeue_at_the_end(patch: pytest.MonkeyPatch) -> None:
    def put_back(self: ready.ReadyMessages, queued: ready.QueuedMessage) -> None:
        self.fresh.append(queued)

    patch.setattr(ready.ReadyMessages, "put_back", put_back)


def never_redelivered(patch: pytest.MonkeyPatch) -> None:
    requeue = queue.Queue.requeue

    def without_flag(self: queue.Queue, message: ready.QueuedMessage, **more: Any) -> None:
        put_back = self.ready.put_back

        def flagless(queued: ready.QueuedMessage) -> None:
            queued.redelivered = False
            put_back(queued)

        self.ready.put_back = flagless  # type: ignore[method-assign]
        requeue(self, message, **more)
        del self.ready.put_back

    patch.setattr(queue.Queue, "requeue", without_flag)


def no_prefetch_limit(patch: pytest.MonkeyPatch) -> None:
    begin = consumers.Consumer.__init__

    def unlimited(self: consumers.Consumer, *args: Any, **more: Any) -> None:
        begin(self, *args, **{**more, "limit": 0})

    patch.setattr(consumers.Consumer, "__init__", unlimited)


def first_consumer_gets_every_message(patch: pytest.MonkeyPatch) -> None:
    def unfair(self: consumers.Consumers) -> Any:
        return next((one for one in self.all if one.has_room), None)

    patch.setattr(consumers.Consumers, "next", unfair)


def full_consumer_loses_its_turn(patch: pytest.MonkeyPatch) -> None:
    take_turn = consumers.Consumers.next

    def at_once(self: consumers.Consumers) -> Any:
        for ring in self._rings.values():
            for one in [one for one in ring if one.limit and one.unsettled >= one.limit]:
                ring.remove(one)
                one.is_waiting = True
        chosen = take_turn(self)
        if chosen is not None and chosen.limit and chosen.unsettled + 1 >= chosen.limit:
            self._rings[chosen.priority].remove(chosen)
            chosen.is_waiting = True
        return chosen

    patch.setattr(consumers.Consumers, "next", at_once)


def one_copy_per_binding(patch: pytest.MonkeyPatch) -> None:
    route = virtual_hosts.VirtualHost.route

    def twice(self: virtual_hosts.VirtualHost, message: Any) -> Any:
        found = route(self, message)
        exchange = self.exchanges.get(message.exchange)
        if exchange is None or exchange.type != "topic":
            return found
        return [one for one in found for _ in exchange.bindings.get(one, (1,))]

    patch.setattr(virtual_hosts.VirtualHost, "route", twice)


def hash_binding_misses_the_empty_key(patch: pytest.MonkeyPatch) -> None:
    match = topics.TopicTrie.match

    def misroute(self: Any, key: str) -> Any:
        return match(self, key) if key else self._root.destinations

    patch.setattr(topics.TopicTrie, "match", misroute)


def fanout_by_key(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(exchanges.EXCHANGES, "fanout", exchanges.DirectExchange)


def dead_letters_are_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dead_letters.DeadLetters, "add", lambda *_, **__: None)


def x_death_is_missing(patch: pytest.MonkeyPatch) -> None:
    make = dead_letters.dead_letter

    def unmarked(message: Any, *more: Any) -> Any:
        letter = make(message, *more)
        letter.properties = message.properties
        return letter

    patch.setattr(dead_letters, "dead_letter", unmarked)


def exclusive_queues_are_shared(patch: pytest.MonkeyPatch) -> None:
    def found(self: virtual_hosts.VirtualHost, name: str, connection: Any) -> Any:
        one = self.queues.get(name)
        if one is not None:
            one.owner = connection if one.owner is not None else None
        return lookup(self, name, connection)

    lookup = virtual_hosts.VirtualHost.queue
    patch.setattr(virtual_hosts.VirtualHost, "queue", found)


def exchange_types_may_differ(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(virtual_hosts.VirtualHost, "_check_same_exchange", lambda *_: None)


def lower_case_refusals(patch: pytest.MonkeyPatch) -> None:
    refuse = Refused.__init__

    def in_lower_case(self: Any, code: int, text: str) -> None:
        refuse(self, code, text.lower())

    patch.setattr(Refused, "__init__", in_lower_case)


def auto_delete_queues_are_kept(patch: pytest.MonkeyPatch) -> None:
    remove = queue.Queue.remove_consumer

    def stay(self: queue.Queue, consumer: Any) -> None:
        self.auto_delete = False
        remove(self, consumer)

    patch.setattr(queue.Queue, "remove_consumer", stay)


def bindings_outlive_their_queue(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(virtual_hosts.VirtualHost, "_unbind_everywhere", lambda *_: None)
    declare = virtual_hosts.VirtualHost.declare_queue
    bindings: dict[str, Any] = {}

    def declare_again(self: virtual_hosts.VirtualHost, name: str, *args: Any, **kw: Any) -> Any:
        one = declare(self, name, *args, **kw)
        for exchange in self.exchanges.values():
            for old in [
                old for old in exchange.bindings if old.name == one.name and old is not one
            ]:
                for key, _ in list(exchange.bindings[old]):
                    exchange.bind(one, key, {})
        return one

    bindings.clear()
    patch.setattr(virtual_hosts.VirtualHost, "declare_queue", declare_again)


def mandatory_is_ignored(patch: pytest.MonkeyPatch) -> None:
    put = publisher.Publisher.put

    def leniently(self: publisher.Publisher, message: Any, queues: Any, mandatory: bool) -> None:
        put(self, message, queues, False)

    patch.setattr(publisher.Publisher, "put", leniently)


def restart_deletes_every_queue(patch: pytest.MonkeyPatch) -> None:
    def restart(self: virtual_hosts.VirtualHost) -> None:
        for one in list(self.queues.values()):
            self.delete_queue(one)

    patch.setattr(virtual_hosts.VirtualHost, "restart", restart)


def closed_channel_loses_deliveries(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deliveries.Deliveries, "take_all", lambda _: {})


def nack_acknowledges(patch: pytest.MonkeyPatch) -> None:
    def wrongly(self: deliveries.Deliveries, tag: int, multiple: bool, requeue: bool) -> None:
        self.acknowledge(tag, multiple)

    patch.setattr(deliveries.Deliveries, "nack", wrongly)


FAULTS: tuple[Fault, ...] = (
    last_in_first_out,
    requeue_at_the_end,
    never_redelivered,
    no_prefetch_limit,
    first_consumer_gets_every_message,
    full_consumer_loses_its_turn,
    one_copy_per_binding,
    hash_binding_misses_the_empty_key,
    fanout_by_key,
    dead_letters_are_lost,
    x_death_is_missing,
    exclusive_queues_are_shared,
    exchange_types_may_differ,
    lower_case_refusals,
    auto_delete_queues_are_kept,
    bindings_outlive_their_queue,
    mandatory_is_ignored,
    restart_deletes_every_queue,
    closed_channel_loses_deliveries,
    nack_acknowledges,
)
