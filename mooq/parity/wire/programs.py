"""Programs of AMQP methods, for several connections and channels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

NAMES = ("q1", "q2", "q3", "x1", "x2", "x3")
"""Queues and exchanges. On a broker, their names begin with a prefix of the program."""
QUEUES = NAMES[:3]
EXCHANGES = NAMES[3:]
REPLY = "@reply"
"""Stands for the reply-to of the last message that asked for a direct reply."""
EVERYTHING = -1
"""The index of a settlement with delivery tag 0, which with ``multiple`` settles everything."""
MISUSE = 5
"""From this index on, a settlement has an unknown delivery tag."""


class Typed(NamedTuple):
    """A value with a field type that no built-in Python type has."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Send:
    """A method. Fields that are missing are 0, False or empty."""

    connection: int
    channel: int
    method: str
    fields: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Send({self.connection}, {self.channel}, {self.method!r}, {self.fields!r})"


@dataclass(frozen=True)
class Publish:
    """A publish."""

    connection: int
    channel: int
    exchange: str
    routing_key: str
    body: str
    mandatory: bool = False
    properties: dict[str, Any] = field(default_factory=dict)
    immediate: bool = False

    def __repr__(self) -> str:
        more = ", mandatory=True" if self.mandatory else ""
        if self.properties:
            more += f", properties={self.properties!r}"
        if self.immediate:
            more += ", immediate=True"
        return (
            f"Publish({self.connection}, {self.channel}, {self.exchange!r}, {self.routing_key!r}, "
            f"{self.body!r}{more})"
        )


@dataclass(frozen=True)
class Settle:
    """A settlement of the unacknowledged delivery ``index`` of a channel."""

    connection: int
    channel: int
    method: str
    index: int
    multiple: bool = False
    requeue: bool = False


@dataclass(frozen=True)
class Pause:
    """A pause, in which messages and queues with a TTL of 100 ms expire."""


Step: TypeAlias = Send | Publish | Settle | Pause
WireProgram: TypeAlias = tuple[Step, ...]
