"""Asking again after a lost connection: how often, how far apart, up to which deadline.

The only back-off there is.
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

_chance = Random()  # noqa: S311 - nobody gains by guessing how long a wait is

log: logging.Logger = logging.getLogger("mooq.recovery")


def check_timeout(timeout: float, name: str = "timeout") -> float:
    """Return the timeout in seconds, or raise ``TypeError``, or ``ValueError`` unless positive."""
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool):
        raise TypeError(f"{name} must be a number of seconds, not {type(timeout).__name__}")
    if not timeout > 0:
        raise ValueError(f"{name} must be more than 0 seconds, not {timeout}")
    try:
        return float(timeout)
    except OverflowError:
        raise ValueError(f"{name} is more seconds than a float can count; use math.inf") from None


def check_order(first_wait: float, longest_wait: float) -> None:
    """Raise ``ValueError`` for a first wait that is longer than the longest."""
    if first_wait > longest_wait:
        raise ValueError(
            f"first_wait, {in_seconds(first_wait)}, must not be longer than longest_wait, "
            f"{in_seconds(longest_wait)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How a lost connection is brought back: how many attempts, and how far apart.

    The n-th wait is a random part (full jitter) of ``first_wait`` · 1.05ⁿ⁻¹ seconds, of
    ``longest_wait`` seconds at most: it comes to about a tenth of the time that the broker has been
    away, so a service is back soon after it. After ``attempts`` that failed, unless that is None,
    whoever waits for the connection, ``process_events()`` too, gets a
    :class:`~mooq.BrokerConnectionError`; whoever needs it next has as many attempts again. With
    several nodes, one attempt tries each of them once.

    Raises ``TypeError`` and ``ValueError``.
    """

    attempts: int | None = None
    first_wait: float = 0.1
    longest_wait: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be counted or waited for."""
        if self.attempts is not None:
            if not isinstance(self.attempts, int) or isinstance(self.attempts, bool):
                raise TypeError(
                    f"attempts must be an int or None, not {type(self.attempts).__name__}"
                )
            if self.attempts < 1:
                raise ValueError(f"attempts must be more than 0, not {self.attempts}")
        check_timeout(self.first_wait, "first_wait")
        check_timeout(self.longest_wait, "longest_wait")
        check_order(self.first_wait, self.longest_wait)


DEFAULT_RECOVERY = Recovery()


def check_recovery(recovery: Recovery) -> Recovery:
    """Return it, or raise ``TypeError``."""
    if not isinstance(recovery, Recovery):
        raise TypeError(f"recovery must be a mooq.Recovery, not {type(recovery).__name__}")
    return recovery


def worth_waiting(error: BaseException) -> bool:
    """Whether an error may pass by itself."""
    if isinstance(error, BrokerConnectionError):
        return error.transient
    return isinstance(error, Lost)


def jittered(
    first: float, longest: float, *, growth: float = 2.0, least: float = 0.0
) -> Callable[[RetryCallState], float]:
    """Return waits at random between ``least`` and a bound that grows from ``first`` seconds.

    As tenacity's, but by chance of its own: hypothesis, and whoever has seeded ``random``, minds
    who else draws from it.
    """
    from tenacity import wait_exponential

    bound = wait_exponential(first, longest, exp_base=growth, min=least)
    return lambda state: _chance.uniform(least, bound(state))


def backing_off(recovery: Recovery, left: Callable[[], float] | None = None) -> AsyncRetrying:
    """Return attempts, spaced as ``recovery`` says, for as long as it helps.

    ``left`` tells how many seconds there are: no wait is longer, and with none the attempts end,
    which are not counted then.
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
            "attempt %d to reach the broker failed, next in %.1f s: %s",
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
    """Return the answer to a question whose connection was lost, once the connection is back.

    ``ask`` is given the seconds that are left until ``deadline``, by the event loop's clock.
    Raises :class:`~mooq.BrokerConnectionError` when that comes first, ``timeout`` seconds after
    the question was first asked, or when the connection cannot come back.
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
