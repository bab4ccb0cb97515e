"""The records of a test's connections, in order, the same on both brokers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Any, SupportsIndex, overload

from mooq.client.codec import decode
from mooq.transports.message import Delivery, Message


class Event(Enum):
    """The events in the life of a message."""

    PUBLISHED = "published"
    UNROUTABLE = "unroutable"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    REQUEUED = "requeued"
    REJECTED = "rejected"
    GIVEN_BACK = "given back"
    EXPIRED = "expired"
    DEAD_LETTERED = "dead-lettered"


def event_of(name: Event | str) -> Event:
    """Return an event by its name, as in :class:`Recorder`, or its value. Raises ``ValueError``."""
    names = {event.name.lower(): event for event in Event}
    if isinstance(name, str) and name in names:
        return names[name]
    try:
        return Event(name)
    except ValueError:
        known = ", ".join(map(repr, names))
        raise ValueError(f"event must be one of {known}, not {name!r}") from None


@dataclass(frozen=True, slots=True)
class Record:
    """One event of one message."""

    event: Event
    message: Message
    """The message as bytes and properties."""
    queue_name: str | None = None
    """The queue that it was delivered from; None for a published message."""
    redelivered: bool = False
    error: Exception | None = None
    """The callback's exception, for a requeued or rejected message."""
    consumer: int | None = None
    """For a delivery: which of the queue's consumers got it, counted from 1; None for a get."""
    channel: int | None = None
    """For a publish: which of the test's channels sent it, counted from 1."""
    at: float = field(default_factory=monotonic, compare=False)
    """The time of the record, in seconds of a monotonic clock."""

    @property
    def msg(self) -> Any:
        """The message as a callback gets it; bytes if it cannot be decoded."""
        delivery = Delivery(self.message, redelivered=False, receipt=None)
        return decode(delivery, undecodable_as_bytes=True)["msg"]

    @property
    def exchange_name(self) -> str:
        """The exchange it was published to."""
        return self.message.exchange

    @property
    def routing_key(self) -> str:
        """The routing key."""
        return self.message.routing_key

    @property
    def headers(self) -> Mapping[str, Any]:
        """The headers."""
        return self.message.headers or {}

    @property
    def message_id(self) -> str | None:
        """The message id, the same in every repeat."""
        return self.message.message_id

    def __repr__(self) -> str:
        where = f" from {self.queue_name!r}" if self.queue_name is not None else ""
        return (
            f"<{self.event.value}{where}: {self.msg!r} "
            f"(exchange {self.exchange_name!r}, key {self.routing_key!r})>"
        )


class Records(tuple[Record, ...]):
    """Records in the order in which they happened."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | Records:
        found = super().__getitem__(index)
        return found if isinstance(found, Record) else Records(found)

    @property
    def msgs(self) -> list[Any]:
        """The messages, one for each record."""
        return [record.msg for record in self]

    def where(
        self,
        *,
        exchange_name: str | None = None,
        routing_key: str | None = None,
        queue_name: str | None = None,
    ) -> Records:
        """Return the records of an exchange, a routing key, a queue, or several of these."""
        wanted = {
            name: value
            for name, value in (
                ("exchange_name", exchange_name),
                ("routing_key", routing_key),
                ("queue_name", queue_name),
            )
            if value is not None
        }
        return Records(
            record
            for record in self
            if all(getattr(record, name) == value for name, value in wanted.items())
        )


class Recorder:
    """The records of the connections to one test's broker."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self.has_told_unroutable: bool = False
        """Whether the test has read ``unroutable``."""

    def add(self, record: Record) -> None:
        """Add a record."""
        self._records.append(record)

    def clear(self) -> None:
        """Forget all records."""
        self._records.clear()

    @property
    def all(self) -> Records:
        """All records."""
        return Records(self._records)

    @property
    def published(self) -> Records:
        """Messages that the broker confirmed, whether they reached a queue or not."""
        return self._of(Event.PUBLISHED)

    @property
    def unroutable(self) -> Records:
        """Messages for which no queue was bound: refused if ``mandatory``, else dropped."""
        self.has_told_unroutable = True
        return self._of(Event.UNROUTABLE)

    @property
    def delivered(self) -> Records:
        """Messages delivered to a callback, or returned by ``get``."""
        return self._of(Event.DELIVERED)

    @property
    def acknowledged(self) -> Records:
        """Messages that were acknowledged."""
        return self._of(Event.ACKNOWLEDGED)

    @property
    def requeued(self) -> Records:
        """Messages whose callback raised, and that are delivered once more."""
        return self._of(Event.REQUEUED)

    @property
    def rejected(self) -> Records:
        """Messages whose callback raised again: dead-lettered or discarded."""
        return self._of(Event.REJECTED)

    @property
    def given_back(self) -> Records:
        """Messages requeued when their consumer ended, because their callback was not done."""
        return self._of(Event.GIVEN_BACK)

    @property
    def expired(self) -> Records:
        """Messages that expired in ``queue_name``, recorded when their dead letter arrived."""
        return self._of(Event.EXPIRED)

    @property
    def dead_lettered(self) -> Records:
        """Messages dead-lettered from ``queue_name``, recorded when their dead letter arrived."""
        return self._of(Event.DEAD_LETTERED)

    def _of(self, event: Event) -> Records:
        return Records(record for record in self._records if record.event is event)
