"""Expired and dead-lettered messages, which RabbitMQ reports in the header ``x-death``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mooq.testing.recorder import Event, Record
from mooq.transports.message import Message


def deaths_of(message: Message, redelivered: bool) -> Iterator[Record]:
    """Yield the events of a message's last death, before it arrived here.

    A redelivered message has not died again.
    """
    deaths = (message.headers or {}).get("x-death")
    if redelivered or not isinstance(deaths, list) or not deaths:
        return
    last = deaths[0]
    if not isinstance(last, Mapping):
        return
    queue_name = str(last.get("queue", ""))
    if last.get("reason") == "expired":
        yield Record(Event.EXPIRED, message, queue_name)
    yield Record(Event.DEAD_LETTERED, message, queue_name)
