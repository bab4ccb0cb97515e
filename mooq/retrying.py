"""Asking again after a lost connection, up to a deadline. The only back-off there is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from mooq.errors import BrokerConnectionError, Lost, Unconfirmed

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

    from mooq.address import Address

T = TypeVar("T")

FIRST_WAIT = 0.1  # seconds, doubled each time, with full jitter
LONGEST_WAIT = 10.0

log = logging.getLogger("mooq")


def check_timeout(timeout: float) -> float:
    """Return the timeout in seconds, or raise ``TypeError``, or ``ValueError`` unless positive."""
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")
    try:
        return float(timeout)
    except OverflowError:
        raise ValueError("timeout is more seconds than a float can count; use math.inf") from None


def worth_waiting(error: BaseException) -> bool:
    """Whether an error may pass by itself."""
    if isinstance(error, BrokerConnectionError):
        return error.transient
    return isinstance(error, Lost) and not isinstance(error, Unconfirmed)


def backing_off(left: Callable[[], float] | None = None) -> AsyncRetrying:
    """Return attempts spaced by 0.1 s rising to 10 s with full jitter, for as long as it helps.

    ``left`` tells how many seconds there are: no wait is longer, and with none the attempts end.
    """
    from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

    backoff = wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)

    def wait(state: RetryCallState) -> float:
        return backoff(state) if left is None else min(backoff(state), max(left(), 0))

    def stop(_: RetryCallState) -> bool:
        return left is not None and left() <= 0

    def report(state: RetryCallState) -> None:
        assert state.outcome is not None
        log.warning(
            "attempt %d to reach the broker failed, next in %.1f s: %s",
            state.attempt_number,
            state.upcoming_sleep,
            state.outcome.exception(),
        )

    return AsyncRetrying(
        retry=retry_if_exception(worth_waiting),
        wait=wait,
        stop=stop,
        before_sleep=report,
        reraise=True,
    )


async def ask_again(
    ask: Callable[[float], Awaitable[T]],
    recover: Callable[[], Awaitable[None]],
    address: Address,
    timeout: float,
    deadline: float,
) -> T:
    """Return the answer to a question whose connection was lost, once the connection is back.

    ``ask`` is given the seconds that are left until ``deadline``, by the event loop's clock.
    Raises :class:`~mooq.BrokerConnectionError` when that comes first, ``timeout`` seconds after
    the question was first asked, or when the connection cannot come back.
    """

    def left() -> float:
        return deadline - asyncio.get_running_loop().time()

    try:
        async for attempt in backing_off(left):
            with attempt:
                async with asyncio.timeout_at(deadline):
                    await recover()
                return await ask(max(left(), 0.001))
    except Unconfirmed:
        raise
    except (Lost, TimeoutError) as error:
        raise BrokerConnectionError(
            f"the connection to {address} was lost and did not come back within {timeout:g} s; "
            "is the broker running?"
        ) from error
    raise AssertionError("unreachable: the last attempt raises")
