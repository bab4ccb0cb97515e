"""One virtual host: its exchanges and queues by name, and how a message gets from one to another.

Refusals are in RabbitMQ 4's own words.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from datetime import datetime
from os import urandom
from typing import Any

from mooq.broker.direct.queue import Entry, Queue
from mooq.broker.direct.routing import BINDINGS, Bindings, FanoutBindings
from mooq.errors import Refused
from mooq.transports.declarations import Exchange
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Message


class VirtualHost:
    """Exchanges, queues and what is between them."""

    def __init__(self, name: str, now: Callable[[], datetime]) -> None:
        self.name = name
        self.queues: dict[str, Queue] = {}
        self._now = now
        self._exchanges = {f"amq.{kind}": _Exchange(kind) for kind in BINDINGS}
        for name in ("amq.headers", "amq.match"):
            self._exchanges[name] = _Exchange("headers")

    def declare_exchange(self, exchange: Exchange) -> None:
        """Make sure that an exchange exists; refuse another type."""
        current = self._exchanges.setdefault(exchange.name, _Exchange(exchange.type)).type
        if current != exchange.type:
            raise Refused(
                Refused.PRECONDITION_FAILED,
                f"PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{exchange.name}' in "
                f"vhost '{self.name}': received '{exchange.type}' but current is '{current}'",
            )

    def has_exchange(self, name: str) -> bool:
        """Whether an exchange exists; the default one always does."""
        return not name or name in self._exchanges

    def declare_queue(self, declaration: Declaration, asker: object) -> Queue:
        """Make sure that a queue exists; refuse other properties, or a locked one."""
        if not declaration.name:
            # 22 characters, as RabbitMQ's own names have.
            declaration = Declaration(
                f"amq.gen-{urlsafe_b64encode(urandom(16)).decode().rstrip('=')}",
                declaration.durable,
                declaration.exclusive,
                declaration.auto_delete,
                declaration.dead_letter_exchange,
            )
        queue = self.queues.get(declaration.name)
        if queue is None:
            owner = asker if declaration.exclusive else None
            queue = self.queues[declaration.name] = Queue(declaration, owner)
            return queue
        self._check_lock(queue, asker, declaration.exclusive)
        self._check_equivalent(queue, declaration)
        return queue

    def _check_lock(self, queue: Queue, asker: object, exclusive: bool) -> None:
        if queue.owner is not (asker if exclusive else None):
            raise Refused(
                Refused.RESOURCE_LOCKED,
                "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue "
                f"'{queue.name}' in vhost '{self.name}'. It could be originally declared on "
                "another connection or the exclusive property value does not match that of the "
                "original declaration.",
            )

    def _check_equivalent(self, queue: Queue, declaration: Declaration) -> None:
        current = queue.declaration
        for argument, received, present in (
            ("durable", _flag(declaration.durable), _flag(current.durable)),
            ("auto_delete", _flag(declaration.auto_delete), _flag(current.auto_delete)),
            (
                "x-dead-letter-exchange",
                declaration.dead_letter_exchange,
                current.dead_letter_exchange,
            ),
        ):
            if received != present:
                one_is_none = received is None or present is None
                raise Refused(
                    Refused.PRECONDITION_FAILED,
                    f"PRECONDITION_FAILED - inequivalent arg '{argument}' for queue "
                    f"'{queue.name}' in vhost '{self.name}': received "
                    f"{_value(received, one_is_none)} but current is "
                    f"{_value(present, one_is_none)}",
                )

    def queue(self, name: str, asker: object) -> Queue:
        """Return the queue of this name; refuse a missing one, or one exclusive to others."""
        queue = self.queues.get(name)
        if queue is None:
            raise Refused(
                Refused.NOT_FOUND, f"NOT_FOUND - no queue '{name}' in vhost '{self.name}'"
            )
        self._check_lock(queue, asker, exclusive=queue.owner is not None)
        return queue

    def bind(self, queue_name: str, exchange_name: str, routing_key: str, asker: object) -> None:
        """Bind a queue to an exchange by a key."""
        exchange = self._exchange(exchange_name)
        exchange.bindings.bind(routing_key, self.queue(queue_name, asker))

    def _exchange(self, name: str) -> _Exchange:
        exchange = self._exchanges.get(name)
        if exchange is None:
            raise Refused(
                Refused.NOT_FOUND, f"NOT_FOUND - no exchange '{name}' in vhost '{self.name}'"
            )
        return exchange

    def route(self, exchange_name: str, routing_key: str) -> Iterable[Queue]:
        """Return each queue that a message goes to, once; the default exchange knows all queues."""
        if exchange_name:
            return self._exchange(exchange_name).bindings.route(routing_key)
        queue = self.queues.get(routing_key)
        return () if queue is None else (queue,)

    def publish(self, message: Message, mandatory: bool = False) -> None:
        """Put a message into the queues it is routed to; refuse a mandatory one that has none."""
        queues = self.route(message.exchange, message.routing_key)
        if mandatory and not queues:
            raise Refused(Refused.NO_ROUTE, "NO_ROUTE")
        for queue in tuple(queues):
            queue.push(message)

    def delete_queue(self, queue: Queue) -> None:
        """Delete a queue with its bindings and messages; its consumers are told."""
        del self.queues[queue.name]
        for exchange in self._exchanges.values():
            exchange.bindings.unbind_queue(queue)
        for consumer in list(queue.consumers):
            queue.remove(consumer)
            consumer.cancelled()
        queue.clear()

    def reject(self, entry: Entry) -> None:
        """Drop a message for good, or dead-letter it where its queue says."""
        queue = entry.queue
        if not queue.settle(entry):
            return
        target = queue.declaration.dead_letter_exchange
        if target is not None and self.has_exchange(target):
            self.publish(self._dead_letter(entry.message, queue.name, target))

    def _dead_letter(self, message: Message, queue_name: str, target: str) -> Message:
        """Return the message as it goes to the dead-letter exchange, its death on record.

        One record for each queue that it died in, the latest first; ``time`` is the first time.
        """
        headers = dict(message.headers or {})
        death = {
            "count": 1,
            "reason": "rejected",
            "queue": queue_name,
            "time": self._now(),
            "exchange": message.exchange,
            "routing-keys": [message.routing_key],
        }
        earlier: list[dict[str, Any]] = []
        for record in headers.get("x-death", ()):
            if record["queue"] == queue_name:
                death = {**record, "count": record["count"] + 1}
            else:
                earlier.append(record)
        headers["x-death"] = [death, *earlier]
        for which in ("first", "last"):
            for what, value in (
                ("exchange", message.exchange),
                ("queue", queue_name),
                ("reason", "rejected"),
            ):
                if which == "last" or (not earlier and death["count"] == 1):
                    headers[f"x-{which}-death-{what}"] = value
        return message._replace(exchange=target, headers=headers)

    def restart(self) -> None:
        """Do as a restart does: what is durable stays, the rest is gone."""
        for queue in list(self.queues.values()):
            if queue.owner is None and queue.declaration.durable:
                queue.restart()
            else:
                self.delete_queue(queue)


class _Exchange:
    """The type of an exchange and what is bound to it."""

    __slots__ = ("bindings", "type")

    def __init__(self, kind: str) -> None:
        self.type = kind
        # A headers exchange cannot be bound by a key: nothing is ever bound to one here.
        self.bindings: Bindings[Queue] = BINDINGS.get(kind, FanoutBindings)()


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _value(value: str | None, one_is_none: bool) -> str:
    if value is None:
        return "none"
    return f"the value '{value}' of type 'longstr'" if one_is_none else f"'{value}'"
