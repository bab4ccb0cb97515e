"""Programs: calls of mooq's API by several clients, as data.

A channel is named by a letter and a digit: ``"a1"`` is channel 1 of connection ``a``. Connections
and channels are opened on first use. ``"@c1"`` stands for the queue of consumer ``c1``, whose name
the broker generates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


class Readable:
    """A dataclass whose ``repr`` is its Python source, without fields at their defaults."""

    def __repr__(self) -> str:
        given = []
        for number, field in enumerate(dataclasses.fields(self)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING or value != field.default:
                given.append(repr(value) if number == 0 else f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(given)})"


@dataclass(frozen=True, repr=False)
class Succeed(Readable):
    """A callback that returns."""


@dataclass(frozen=True, repr=False)
class Fail(Readable):
    """A callback that raises."""


@dataclass(frozen=True, repr=False)
class FailOnce(Readable):
    """A callback that raises for the first delivery of each message."""


@dataclass(frozen=True, repr=False)
class Wait(Readable):
    """A callback that waits until the program releases an event, then returns or raises."""

    event: str
    fails: bool = False


@dataclass(frozen=True, repr=False)
class Send(Readable):
    """A callback that publishes."""

    exchange: str
    key: str = ""


@dataclass(frozen=True, repr=False)
class Settle(Readable):
    """A callback that settles its message, and acknowledges a requeued one when it comes again."""

    how: Literal["acknowledge", "reject", "requeue"]


Behaviour: TypeAlias = Succeed | Fail | FailOnce | Wait | Send | Settle


@dataclass(frozen=True, repr=False)
class Declare(Readable):
    """``register_producer``."""

    channel: str
    exchange: str
    type: str = "topic"


@dataclass(frozen=True, repr=False)
class Consume(Readable):
    """``register_consumer``; without ``queue``, the broker generates a name."""

    channel: str
    consumer: str
    exchange: str
    type: str = "topic"
    keys: tuple[str, ...] = ("",)
    queue: str | None = None
    prefetch: int = 100
    dead_letters: str | None = None
    does: Behaviour = Succeed()
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, repr=False)
class Publish(Readable):
    """``publish``; without ``msg``, the message is named after its position in the program."""

    channel: str
    exchange: str
    key: str = ""
    msg: Any = None
    mandatory: bool = False
    headers: Mapping[str, Any] | None = None
    message_id: str | None = None
    properties: Mapping[str, Any] | None = None


@dataclass(frozen=True, repr=False)
class Get(Readable):
    """``get``; ``timeout`` is in seconds."""

    channel: str
    queue: str
    timeout: float | None = None


@dataclass(frozen=True, repr=False)
class DeleteQueue(Readable):
    """``delete_queue``."""

    channel: str
    queue: str


@dataclass(frozen=True, repr=False)
class CloseChannel(Readable):
    """``channel.close``."""

    channel: str


@dataclass(frozen=True, repr=False)
class CloseConnection(Readable):
    """``connection.close``."""

    connection: str


@dataclass(frozen=True, repr=False)
class Process(Readable):
    """``process_events``, one cycle at a time, while deliveries are waiting."""

    connection: str
    cycles: int = 1


@dataclass(frozen=True, repr=False)
class Release(Readable):
    """Release the callbacks that wait for an event."""

    event: str


@dataclass(frozen=True, repr=False)
class Drop(Readable):
    """A connection is lost; mooq recovers it on its next use."""

    connection: str


@dataclass(frozen=True, repr=False)
class Restart(Readable):
    """The broker is restarted, and every connection is lost."""


Call: TypeAlias = Declare | Publish | Get


@dataclass(frozen=True, repr=False)
class Together(Readable):
    """Concurrent calls, awaited together."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, repr=False)
class Cancel(Readable):
    """A publish that is cancelled at once, so that it may have been sent or not."""

    call: Publish


Operation: TypeAlias = (
    Declare
    | Consume
    | Publish
    | Get
    | DeleteQueue
    | CloseChannel
    | CloseConnection
    | Process
    | Release
    | Drop
    | Restart
    | Together
    | Cancel
)
Program: TypeAlias = tuple[Operation, ...]

KINDS = {
    kind.__name__: kind
    for kind in (
        *(Succeed, Fail, FailOnce, Wait, Send),
        *(Declare, Consume, Publish, Get, DeleteQueue, CloseChannel, CloseConnection, Process),
        *(Release, Drop, Restart, Together, Cancel),
    )
}


def connection_of(channel: str) -> str:
    """Return the name of a channel's connection."""
    return channel[0]


def size(program: Program) -> int:
    """Return the number of operations of a program, counting concurrent calls separately."""
    return sum(len(step.calls) if isinstance(step, Together) else 1 for step in program)


def calls_of(program: Program) -> Iterator[Operation]:
    """Return the operations of a program, with concurrent calls as separate ones."""
    for step in program:
        if isinstance(step, Together):
            yield from step.calls
        elif isinstance(step, Cancel):
            yield step.call
        else:
            yield step
