"""A rule with a program that shows it, and what such programs are often made of."""

from __future__ import annotations

from typing import Any, NamedTuple

from mooq.parity.programs import CloseChannel, Consume, Program, Publish


class ReferenceProgram(NamedTuple):
    """A rule, and a program that shows it."""

    name: str
    about: str
    program: Program


def to_queue(channel: str, consumer: str, queue: str = "q", **more: object) -> Consume:
    """Return a consumer of a queue that is bound to a direct exchange by the empty key."""
    return Consume(channel, consumer, "d", "direct", queue=queue, **more)  # type: ignore[arg-type]


def publishes(count: int, channel: str = "b1") -> tuple[Publish, ...]:
    """Return publishes, each awaited, to the direct exchange."""
    return (Publish(channel, "d"),) * count


MESSAGES: tuple[Any, ...] = (0, "", "é", 0.1, [], {"a": [None, True]}, "<a tuple>")

NOBODY = (to_queue("z1", "z"), CloseChannel("z1"))
"""A queue, bound, that nobody consumes."""
