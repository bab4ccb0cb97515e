"""The type of reference programs, and their common parts."""

from __future__ import annotations

from typing import Any, NamedTuple

from mooq.parity.programs import CloseChannel, Consume, Program, Publish


class ReferenceProgram(NamedTuple):
    """A program that shows a rule; ``about`` states the rule."""

    name: str
    about: str
    program: Program


def to_queue(channel: str, consumer: str, queue: str = "q", **more: object) -> Consume:
    """Return a consumer of a queue bound to a direct exchange with the empty key."""
    return Consume(channel, consumer, "d", "direct", queue=queue, **more)  # type: ignore[arg-type]


def publishes(count: int, channel: str = "b1") -> tuple[Publish, ...]:
    """Return publishes, each awaited, to the direct exchange."""
    return (Publish(channel, "d"),) * count


MESSAGES: tuple[Any, ...] = (0, "", "é", 0.1, [], {"a": [None, True]}, "<a tuple>")

NOBODY = (to_queue("z1", "z"), CloseChannel("z1"))
"""Steps that leave a bound queue without consumers."""
