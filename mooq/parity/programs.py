"""Programs: calls of mooq's API by several clients, as data that can be written, kept and read.

A channel is named by a letter and a digit: ``"a1"`` is channel 1 of connection ``a``. Connections
and channels are opened when they are first named. A consumer has a name of its own; ``"@c1"``
stands for the queue of consumer ``c1``, whose real name only the broker knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


class Readable:
    """Prints as Python that makes it again: fields at their defaults are left out."""

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
    """A callback that raises the first time that it is given a message."""


@dataclass(frozen=True, repr=False)
class Wait(Readable):
    """A slow callback: it waits until the program releases its event, then returns or raises."""

    event: str
    fails: bool = False


@dataclass(frozen=True, repr=False)
class Send(Readable):
    """A callback that publishes."""

    exchange: str
    key: str = ""


@dataclass(frozen=True, repr=False)
class Settle(Readable):
    """A callback that settles its message by hand, and acknowledges what it has requeued."""

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
    """``register_consumer``; without ``queue`` the broker names it."""

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
    """``publish``; the message is named after its place in the program unless ``msg`` is given."""

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
    """``get``, with a timeout in seconds if one is given."""

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
    """``process_events``, a cycle at a time, for as long as something has arrived."""

    connection: str
    cycles: int = 1


@dataclass(frozen=True, repr=False)
class Release(Readable):
    """Let the callbacks that wait for an event return."""

    event: str


@dataclass(frozen=True, repr=False)
class Drop(Readable):
    """The network loses a connection; mooq brings it back when it is next used."""

    connection: str


@dataclass(frozen=True, repr=False)
class Restart(Readable):
    """The broker is restarted, and every connection lost."""


Call: TypeAlias = Declare | Publish | Get


@dataclass(frozen=True, repr=False)
class Together(Readable):
    """Calls that are made at once and awaited together."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, repr=False)
class Cancel(Readable):
    """A publish whose caller is cancelled at once, so nobody knows whether it was sent."""

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
    """Return how many operations a program has, each of those made together counted."""
    return sum(len(step.calls) if isinstance(step, Together) else 1 for step in program)


def calls_of(program: Program) -> Iterator[Operation]:
    """Return the operations of a program, each of those made together by itself."""
    for step in program:
        if isinstance(step, Together):
            yield from step.calls
        elif isinstance(step, Cancel):
            yield step.call
        else:
            yield step
