"""Waiting for a message to be recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from mooq.basics.wording import in_seconds
from mooq.errors import MooqError
from mooq.testing.observer import ConnectionObserver
from mooq.testing.recorder import Event, Record, Records

MOST_SHOWN = 10  # records in an error


class NotRecorded(MooqError, TimeoutError):
    """No matching message was recorded in time."""


class Wanted(NamedTuple):
    """The criteria for a record; None matches anything."""

    event: Event
    exchange_name: str | None = None
    routing_key: str | None = None
    queue_name: str | None = None
    matching: Callable[[Record], bool] | None = None

    def __str__(self) -> str:
        parts = [
            f"{name} {value!r}"
            for name, value in (
                ("exchange", self.exchange_name),
                ("key", self.routing_key),
                ("queue", self.queue_name),
            )
            if value is not None
        ]
        if self.matching is not None:
            parts.append("matching the function")
        return f"a message {self.event.value}{' with ' if parts else ''}{', '.join(parts)}"

    def found_in(self, records: Records) -> Record | None:
        """Return the first matching record, or None."""
        for record in records.where(
            exchange_name=self.exchange_name,
            routing_key=self.routing_key,
            queue_name=self.queue_name,
        ):
            if record.event is self.event and (self.matching is None or self.matching(record)):
                return record
        return None


async def wait_until_recorded(
    observer: ConnectionObserver, wanted: Wanted, timeout: float
) -> Record:
    """Return the first matching record. Raises :class:`NotRecorded`."""
    try:
        async with asyncio.timeout(timeout):
            return await observer.until(lambda: wanted.found_in(observer.recorded.all))
    except TimeoutError as error:
        raise NotRecorded(
            f"waited {in_seconds(timeout)} for {wanted}; recorded instead: "
            f"{_shown(observer.recorded.all)}"
        ) from error


def _shown(records: Records) -> str:
    if not records:
        return "nothing"
    last = [repr(record) for record in records[-MOST_SHOWN:]]
    left_out = len(records) - len(last)
    return (f"{left_out} more, then " if left_out else "") + ", ".join(last)
