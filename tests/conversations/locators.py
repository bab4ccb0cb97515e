"""Conversations about the arguments that select a queue's node."""

from __future__ import annotations

from typing import Any

from pamqp.commands import Queue

from tests.conversations.steps import declare

MASTER, LEADER = "x-queue-master-locator", "x-queue-leader-locator"
OLD = ("client-local", "min-masters", "random")
NEW = ("balanced", "least-leaders")
WRONG = ("nowhere", "", 5, True, None, ["random"], {"a": 1}, bytearray(b"random"))


def master(value: Any, **flags: Any) -> Queue.Declare:
    return declare(arguments={MASTER: value}, **flags)


LOCATORS: dict[str, list[Any]] = {
    **{
        f"{argument} {value!r} of a {kind} queue": [
            declare(durable=True, arguments={"x-queue-type": kind, argument: value})
        ]
        * 2
        for argument, kind, values in (
            (MASTER, "classic", (*OLD, *NEW, *WRONG)),
            (MASTER, "quorum", ("random", "nowhere", 5)),
            (LEADER, "classic", (*OLD, *NEW, *WRONG)),
            (LEADER, "quorum", (*OLD, *NEW, *WRONG)),
        )
        for value in values
    },
    "locator of a queue of the default type": [master("random")],
    "locator of an exclusive queue": [master("nowhere", exclusive=True)],
    "locator of a queue that the broker names": [
        Queue.Declare(queue="", durable=True, arguments={MASTER: "nowhere"})
    ],
    "locator of a queue that has none": [declare(durable=True), master("nowhere", durable=True)],
    "locator of a queue that has another": [
        master("random", durable=True),
        master("min-masters", durable=True),
    ],
    "locator of a passive declaration": [
        declare(),
        Queue.Declare(queue="w", passive=True, arguments={MASTER: "nowhere"}),
    ],
    "locator beside an invalid argument": [
        declare(durable=True, arguments={MASTER: "nowhere", "x-max-length": -1})
    ],
}
"""RabbitMQ's replies are recorded with those of the other rules."""
