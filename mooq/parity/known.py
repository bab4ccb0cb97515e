"""The known differences between RabbitMQ's versions.

docs/differences.md publishes them with their reasons. The in-memory broker does as RabbitMQ 4.0;
to be compared with another version, it is changed as that version differs, exactly there and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

from mooq.broker.direct.queue import Entry, Queue
from mooq.broker.direct.virtual_host import VirtualHost
from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Delivery, Message


def is_dead_letter(delivery: Delivery) -> bool:
    """Whether a message has been dead-lettered."""
    return "x-death" in (delivery.message.headers or {})


def as_before_4_0(delivery: Delivery) -> Delivery:
    """Return a delivery without the ``x-last-death-*`` headers, which RabbitMQ 4.0 introduced."""
    if not is_dead_letter(delivery):
        return delivery
    headers = {
        name: value
        for name, value in (delivery.message.headers or {}).items()
        if not name.startswith("x-last-death-")
    }
    return delivery._replace(message=delivery.message._replace(headers=headers))


class Waited(Message):
    """A dead letter that no consumer had room for when it came to its queue."""


class QueueOf43(Queue):
    """A queue that flags a dead letter redelivered if it waited, as RabbitMQ 4.3 does."""

    def push(self, message: Message) -> None:
        """Add a message at the end; a dead letter that stays there will be flagged."""
        super().push(Message(*message))
        if self._fresh and "x-death" in (message.headers or {}):
            self._fresh[-1] = Waited(*message)

    def _pop(self) -> Entry:
        entry = super()._pop()
        entry.redelivered = entry.redelivered or isinstance(entry.message, Waited)
        return entry


class VirtualHostOf43(VirtualHost):
    """A virtual host whose queues are such."""

    def declare_queue(self, declaration: Declaration, asker: object) -> Queue:
        """Make sure that a queue exists."""
        queue = super().declare_queue(declaration, asker)
        queue.__class__ = QueueOf43
        return queue


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the numbers of a version that tell RabbitMQ's release series."""
    return tuple(int(part) for part in version.split(".")[:2])


def as_seen_on(version: str) -> Callable[[Delivery], Delivery]:
    """Return what a version of RabbitMQ makes of a delivery of the in-memory broker's."""
    return as_before_4_0 if numbers_of(version) < (4, 0) else lambda delivery: delivery


def virtual_host_as_on(version: str) -> type[VirtualHost]:
    """Return the kind of virtual host that does as a version of RabbitMQ."""
    return VirtualHostOf43 if numbers_of(version) >= (4, 3) else VirtualHost
