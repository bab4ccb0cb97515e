"""Waiting for a condition, up to a deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    stop_after_delay,
)

from mooq.basics.wording import in_seconds
from mooq.client.recovery import jittered
from mooq.errors import MooqError

LONGEST = 60.0  # seconds


class NotYet(Exception):
    """The condition does not hold yet."""


class NeverHappened(MooqError):
    """A condition did not hold in time."""


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Return when a condition holds, or raise :class:`NeverHappened` after a minute."""
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(NotYet),
            wait=jittered(0.001, 0.1),
            stop=stop_after_delay(LONGEST),
        ):
            with attempt:
                if not await condition():
                    raise NotYet
    except RetryError as error:
        raise NeverHappened(f"waited {in_seconds(LONGEST)} for {what}") from error
