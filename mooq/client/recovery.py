"""Retrying after a lost connection: how often, how far apart, and until which deadline.

All of mooq's back-off is here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeVar

from mooq.basics.wording import in_seconds
from mooq.errors import BrokerConnectionError, Lost

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

    from mooq.basics.address import Address

T = TypeVar("T")

GROWTH = 1.05  # of the longest that a wait may be, from one attempt to the next

_random = Random()  # noqa: S311 - not for security

log: logging.Logger = logging.getLogger("mooq.recovery")


def check_timeout(timeout: float, name: str = "timeout") -> float:
    """Return the timeout in seconds; raise ``TypeError`` or, unless positive, ``ValueError``."""
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool):
        raise TypeError(f"{name} must be a number of seconds, not {type(timeout).__name__}")
    if not timeout > 0:
        raise ValueError(f"{name} must be a positive number of seconds, not {timeout}")
    try:
        return float(timeout)
    except OverflowError:
        raise ValueError(f"{name} is too large for a float; use math.inf") from None


def check_order(first_wait: float, longest_wait: float) -> None:
    """Raise ``ValueError`` if the first wait is longer than the longest."""
    if first_wait > longest_wait:
        raise ValueError(
            f"first_wait, {in_seconds(first_wait)}, must not be longer than longest_wait, "
            f"{in_seconds(longest_wait)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The recovery of a lost connection: how many attempts, and how far apart.

    The n-th wait is a random part (full jitter) of ``first_wait`` · 1.05ⁿ⁻¹ seconds, at most of
    ``longest_wait`` seconds. That is about a tenth of the time that the broker has been away, so a
    service is back soon after the broker. After ``attempts`` failures (None means no limit),
    everything that waits for the connection, including ``process_events()``, raises
    :class:`~mooq.BrokerConnectionError`. The next call that needs the connection starts a new
    series of attempts. With several nodes, one attempt tries each node once.

    Raises ``TypeError`` and ``ValueError``.
    """

    attempts: int | None = None
    first_wait: float = 0.1
    longest_wait: float = 10.0

    def __post_init__(self) -> None:
        """Refuse invalid counts and waits."""
        if self.attempts is not None:
            if not isinstance(self.attempts, int) or isinstance(self.attempts, bool):
                raise TypeError(
                    f"attempts must be an int or None, not {type(self.attempts).__name__}"
                )
            if self.attempts < 1:
                raise ValueError(f"attempts must be at least 1, not {self.attempts}")
        check_timeout(self.first_wait, "first_wait")
        check_timeout(self.longest_wait, "longest_wait")
        check_order(self.first_wait, self.longest_wait)


DEFAULT_RECOVERY = Recovery()


def check_recovery(recovery: Recovery) -> Recovery:
    """Return the value, or raise ``TypeError``."""
    if not isinstance(recovery, Recovery):
        raise TypeError(f"recovery must be a mooq.Recovery, not {type(recovery).__name__}")
    return recovery


def worth_waiting(error: BaseException) -> bool:
    """Whether the problem may go away by itself."""
    if isinstance(error, BrokerConnectionError):
        return error.transient
    return isinstance(error, Lost)


def jittered(
    first: float, longest: float, *, growth: float = 2.0, least: float = 0.0
) -> Callable[[RetryCallState], float]:
    """Return random waits between ``least`` and a bound that grows from ``first`` seconds.

    It is like tenacity's, but with its own random generator: drawing from the global ``random``
    would disturb Hypothesis, and programs that have seeded it.
    """
    from tenacity import wait_exponential

    bound = wait_exponential(first, longest, exp_base=growth, min=least)
    return lambda state: _random.uniform(least, bound(state))


def backing_off(recovery: Recovery, left: Callable[[], float] | None = None) -> AsyncRetrying:
    """Return attempts, spaced as ``recovery`` says, for as long as they help.

    ``left`` returns the remaining seconds. No wait is longer than that, and when none are left the
    attempts end, whatever their number.
    """
    from tenacity import AsyncRetrying, retry_if_exception

    backoff = jittered(recovery.first_wait, recovery.longest_wait, growth=GROWTH)

    def wait(state: RetryCallState) -> float:
        return backoff(state) if left is None else min(backoff(state), max(left(), 0))

    def stop(state: RetryCallState) -> bool:
        if left is not None:
            return left() <= 0
        return state.attempt_number == recovery.attempts

    said = ""

    def report(state: RetryCallState) -> None:
        nonlocal said
        assert state.outcome is not None
        reason = str(state.outcome.exception())
        log.log(
            logging.DEBUG if reason == said else logging.WARNING,
            "attempt %d to reconnect failed, next in %.1f s: %s",
            state.attempt_number,
            state.upcoming_sleep,
            reason,
        )
        said = reason

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
    recovery: Recovery,
    address: Address,
    timeout: float,
    deadline: float,
) -> T:
    """Return the answer to a request; if the connection was lost, ask again once it is restored.

    ``ask`` gets the seconds left until ``deadline``, in the event loop's time. Raises
    :class:`~mooq.BrokerConnectionError` if the deadline passes first, ``timeout`` seconds after the
    first attempt, or if the connection cannot be restored.
    """

    def left() -> float:
        return deadline - asyncio.get_running_loop().time()

    try:
        async for attempt in backing_off(recovery, left):
            with attempt:
                async with asyncio.timeout_at(deadline):
                    await recover()
                return await ask(max(left(), 0.001))
    except (Lost, TimeoutError) as error:
        raise BrokerConnectionError(
            f"the connection to {address} was lost and did not come back within "
            f"{in_seconds(timeout)}; is the broker running?"
        ) from error
    raise AssertionError("unreachable: the last attempt raises")
