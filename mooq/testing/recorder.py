"""Records of a test's connections, in order: the same on both brokers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Any, SupportsIndex, overload

from mooq.client.codec import decode
from mooq.transports.message import Delivery, Message


class Event(Enum):
    """Events in the life of a message."""

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
    """Return an event by its name. Raises ``ValueError``."""
    try:
        return Event(name)
    except ValueError:
        names = ", ".join(repr(event.value) for event in Event)
        raise ValueError(f"event must be one of {names}, not {name!r}") from None


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened to one message."""

    event: Event
    message: Message
    """As it travelled: bytes and properties."""
    queue_name: str | None = None
    """Where it was delivered from; None for what was published."""
    redelivered: bool = False
    error: Exception | None = None
    """What its callback raised, for what was requeued or rejected."""
    consumer: int | None = None
    """For what was delivered: to which of the queue's consumers, counted from 1; None for a get."""
    channel: int | None = None
    """For what was published: by which of the test's channels, counted from 1."""
    at: float = field(default_factory=monotonic, compare=False)
    """When it was recorded, in seconds of a clock that never goes back."""

    @property
    def msg(self) -> Any:
        """The message as a callback gets it; the bytes of what cannot be decoded."""
        delivery = Delivery(self.message, redelivered=False, receipt=None)
        return decode(delivery, undecodable_as_bytes=True)["msg"]

    @property
    def exchange_name(self) -> str:
        """The exchange it was published to."""
        return self.message.exchange

    @property
    def routing_key(self) -> str:
        """The key it was published with."""
        return self.message.routing_key

    @property
    def headers(self) -> Mapping[str, Any]:
        """Its headers."""
        return self.message.headers or {}

    @property
    def message_id(self) -> str | None:
        """Its id, the same in every repeat."""
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
        """Return those of an exchange, a routing key, a queue, or of several of these."""
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
    """Records of the connections to one test's broker that go through mooq."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self.has_told_unroutable: bool = False
        """Whether somebody has asked what was unroutable."""

    def add(self, record: Record) -> None:
        """Add what has just happened."""
        self._records.append(record)

    def clear(self) -> None:
        """Forget everything so far."""
        self._records.clear()

    @property
    def all(self) -> Records:
        """Everything."""
        return Records(self._records)

    @property
    def published(self) -> Records:
        """Messages that the broker confirmed, whether it reached a queue or not."""
        return self._of(Event.PUBLISHED)

    @property
    def unroutable(self) -> Records:
        """Messages that no queue was bound for: refused with ``mandatory``, dropped without it."""
        self.has_told_unroutable = True
        return self._of(Event.UNROUTABLE)

    @property
    def delivered(self) -> Records:
        """Messages that arrived: for a callback, or by ``get``."""
        return self._of(Event.DELIVERED)

    @property
    def acknowledged(self) -> Records:
        """Messages that a callback, or ``get``, was done with."""
        return self._of(Event.ACKNOWLEDGED)

    @property
    def requeued(self) -> Records:
        """Messages that a callback raised for, and that will be tried once more."""
        return self._of(Event.REQUEUED)

    @property
    def rejected(self) -> Records:
        """Messages that a callback raised for again: dead-lettered or discarded."""
        return self._of(Event.REJECTED)

    @property
    def given_back(self) -> Records:
        """Messages that had arrived, and were not tried or cut off, when its consumer ended."""
        return self._of(Event.GIVEN_BACK)

    @property
    def expired(self) -> Records:
        """Messages that waited too long in ``queue_name``, seen when their dead letter arrived."""
        return self._of(Event.EXPIRED)

    @property
    def dead_lettered(self) -> Records:
        """Messages that died in ``queue_name``, seen when their dead letter arrived."""
        return self._of(Event.DEAD_LETTERED)

    def _of(self, event: Event) -> Records:
        return Records(record for record in self._records if record.event is event)
