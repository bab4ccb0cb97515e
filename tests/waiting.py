"""Polling until a condition holds, for at most a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_fixed

from tests.integration.inbox import LONGEST_WAIT

T = TypeVar("T")


def until(look: Callable[[], T], awaited: str) -> T:
    """Call ``look`` until its result is true, and return that."""
    return Retrying(**patience(awaited))(look)


def patience(awaited: str) -> dict[str, Any]:
    """Return the tenacity options for polling: waits, limit and final error."""

    def give_up(attempts: RetryCallState) -> NoReturn:
        assert attempts.outcome is not None
        last = attempts.outcome.result()
        raise AssertionError(f"waited {LONGEST_WAIT:g} s for {awaited}; last seen: {last!r}")

    return {
        "retry": retry_if_result(lambda seen: not seen),
        "wait": wait_fixed(0.02),
        "stop": stop_after_delay(LONGEST_WAIT),
        "retry_error_callback": give_up,
    }
