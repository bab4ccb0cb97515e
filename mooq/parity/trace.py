"""Traces: what a program got back from a broker, with all that differs between any two runs
taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from mooq.transports.message import JSON_TYPE, IncomingMessage

PROPERTIES: tuple[
    Literal[
        "correlation_id",
        "reply_to",
        "expiration",
        "priority",
        "type",
        "timestamp",
        "user_id",
        "app_id",
        "content_encoding",
    ],
    ...,
] = (
    *("correlation_id", "reply_to", "expiration", "priority", "type", "timestamp"),
    *("user_id", "app_id", "content_encoding"),
)

GENERATED = re.compile(r"(amq\.gen-)[\w-]{22}|\b[0-9a-f]{20}-\d+\b")
"""The name that a broker gives to a queue; those of queues that were declared have an alias."""
LONGEST_TEXT = 180  # characters; RabbitMQ cuts at 255 bytes, prefixes and virtual host included


@dataclass(frozen=True)
class Delivered:
    """A message that a consumer was given. ``since`` is the step that made it arrive, if known."""

    consumer: str
    text: str
    since: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Step:
    """The outcome of one operation.

    - ``answer``: what the call returned or raised, one text for each call made together
    - ``deliveries``: the callbacks that it started, in the order in which they started
    - ``ready``: how many messages wait in each queue afterwards; None for a queue that is not there
    """

    answer: tuple[str, ...]
    deliveries: tuple[Delivered, ...] = ()
    ready: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """The steps of a program, and the messages left in each queue when all connections closed."""

    steps: tuple[Step, ...]
    left: Mapping[str, tuple[str, ...]]


class Normalizer:
    """Takes out of a text what differs from run to run: addresses, prefixes, names RabbitMQ made.

    ``aliases`` are texts and what stands in a trace for them; longer ones are replaced first.
    """

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self._aliases = dict(aliases)

    def add(self, text: str, alias: str) -> None:
        """Have another text replaced."""
        self._aliases[text] = alias

    def of(self, text: str) -> str:
        """Return a text that two brokers can both say."""
        for found in sorted(self._aliases, key=len, reverse=True):
            text = text.replace(found, self._aliases[found])
        return GENERATED.sub(lambda found: f"{found[1] or ''}…", text)

    def of_error(self, error: BaseException) -> str:
        """Return an error's type and text; of several, each."""
        if isinstance(error, BaseExceptionGroup):
            return "; ".join(sorted(self.of_error(each) for each in error.exceptions))
        ours, bracket, theirs = self.of(str(error)).partition("[")
        return f"{type(error).__name__}: {ours}{bracket}{_shortened(theirs)}"

    def of_message(self, message: IncomingMessage) -> str:
        """Return what of a message was the program's doing, or its broker's."""
        parts = [
            f"{message['msg']!r} by {message['routing_key']!r} of {message['exchange_name']!r}"
        ]
        if message["redelivered"]:
            parts.append("redelivered")
        if message["headers"]:
            parts.append(f"headers {_sorted(message['headers'])}")
        if not _is_made(message["message_id"]):
            parts.append(f"id {message['message_id']!r}")
        parts += [f"{name} {message[name]!r}" for name in PROPERTIES if message[name] is not None]
        if message["content_type"] not in (JSON_TYPE, None):
            parts.append(f"{message['content_type']} {message['body']!r}")
        if not message["persistent"]:
            parts.append("transient")
        return self.of(", ".join(parts))


def _shortened(text: str) -> str:
    """Return the begin of a broker's words: where RabbitMQ cuts them depends on its names."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _is_made(message_id: str | None) -> bool:
    """Whether an id is mooq's own: 20 hexadecimal digits and a number."""
    process, _, number = (message_id or "").partition("-")
    return len(process) == 20 and number.isdecimal()


def _sorted(value: Any) -> Any:
    """Return headers with their names in order and the times of day taken out."""
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return "a time" if isinstance(value, datetime) else value


def to_json(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON can hold it, made to be read."""
    return {
        "steps": [
            {
                **({"answer": list(step.answer)} if step.answer != ("",) else {}),
                **(
                    {"deliveries": [f"{one.consumer}: {one.text}" for one in step.deliveries]}
                    if step.deliveries
                    else {}
                ),
                **({"ready": dict(step.ready)} if step.ready else {}),
            }
            for step in trace.steps
        ],
        "left": {queue: list(texts) for queue, texts in trace.left.items()},
    }


def from_json(data: Mapping[str, Any]) -> Trace:
    """Return the trace that :func:`to_json` was given."""
    return Trace(
        tuple(
            Step(
                tuple(step.get("answer", ("",))),
                tuple(_deliveries(step.get("deliveries", ()))),
                step.get("ready", {}),
            )
            for step in data["steps"]
        ),
        {queue: tuple(texts) for queue, texts in data["left"].items()},
    )


def _deliveries(lines: Iterable[str]) -> Iterable[Delivered]:
    for line in lines:
        consumer, _, text = line.partition(": ")
        yield Delivered(consumer, text)
