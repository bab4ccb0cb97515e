"""Programs of AMQP methods: what is sent on which channel of which connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

NAMES = ("q1", "q2", "q3", "x1", "x2", "x3")
"""Queues and exchanges; on a broker each begins with what no other program's does."""
QUEUES = NAMES[:3]
EXCHANGES = NAMES[3:]
REPLY = "@reply"
"""The key that the last message had which asked for a direct reply."""
EVERYTHING = -1
"""The index of a settlement with the delivery tag 0, which means all if it is for multiple ones."""
MISUSE = 5
"""From this index on, a delivery is settled that was never made."""


class Typed(NamedTuple):
    """A value of a type of a field table that no value of Python's has by itself."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Send:
    """A method; fields that are not named are 0, False or empty."""

    connection: int
    channel: int
    method: str
    fields: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Send({self.connection}, {self.channel}, {self.method!r}, {self.fields!r})"


@dataclass(frozen=True)
class Publish:
    """A message."""

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
    """An answer to the ``index``-th delivery of a channel that is not settled."""

    connection: int
    channel: int
    method: str
    index: int
    multiple: bool = False
    requeue: bool = False


@dataclass(frozen=True)
class Pause:
    """Time that passes: what has a time to live of 100 ms expires."""


Step: TypeAlias = Send | Publish | Settle | Pause
WireProgram: TypeAlias = tuple[Step, ...]
