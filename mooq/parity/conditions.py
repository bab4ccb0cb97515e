"""Waiting until something is so, up to a deadline."""

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
    """What is waited for is not so yet."""


class NeverHappened(MooqError):
    """Something that a broker must do was not seen within the time that it had."""


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Return when a condition holds; raise :class:`NeverHappened`, saying what, after a minute."""
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
