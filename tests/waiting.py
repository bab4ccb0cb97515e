"""Waiting for what no event tells of: until it is so, or a minute has passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_fixed

from tests.integration.inbox import LONGEST_WAIT

T = TypeVar("T")


def until(look: Callable[[], T], awaited: str) -> T:
    """Return what is seen as soon as it is true."""
    return Retrying(**patience(awaited))(look)


def patience(awaited: str) -> dict[str, Any]:
    """Return how to look again, and what to say in the end, for any way of tenacity's to try."""

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
