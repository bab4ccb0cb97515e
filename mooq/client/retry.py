"""A retry policy: how often a message is retried when its callback fails, and how far apart."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from mooq.client.properties import check_int, milliseconds
from mooq.client.recovery import check_order, check_timeout
from mooq.transports.declarations import check_new_queue_name

MOST_ATTEMPTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Retries, with back-off, for messages whose callback fails, and a parking queue at the end.

    A failed message waits in a durable queue: ``first_wait`` seconds after the first attempt, and
    ``growth`` times as long after each further attempt, at most ``longest_wait``. It then returns
    to the end of its queue. After ``attempts`` (1 … 100) it goes to ``parking_queue``, by default
    the queue's name and ``.parked``. Waiting and parked messages survive a restart of the service
    and of the broker.

    Raises ``TypeError`` and ``ValueError``, and :class:`~mooq.BadQueue` for the parking queue.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    growth: float = 2.0
    parking_queue: str | None = None

    def __post_init__(self) -> None:
        """Refuse invalid counts and waits."""
        if not 1 <= check_int("attempts", self.attempts) <= MOST_ATTEMPTS:
            raise ValueError(f"attempts must be between 1 and {MOST_ATTEMPTS}, not {self.attempts}")
        for name, seconds in (
            ("first_wait", self.first_wait),
            ("longest_wait", self.longest_wait),
        ):
            check_timeout(seconds, name)
            milliseconds(name, seconds)
        check_order(self.first_wait, self.longest_wait)
        if not isinstance(self.growth, int | float) or isinstance(self.growth, bool):
            raise TypeError(f"growth must be a number, not {type(self.growth).__name__}")
        if not (isfinite(self.growth) and self.growth >= 1):
            raise ValueError(f"growth must be a number of at least 1, not {self.growth}")
        if self.parking_queue is not None:
            check_new_queue_name(self.parking_queue)

    def wait_after(self, attempt: int) -> int:
        """Return the wait in milliseconds after an attempt; the first attempt is 1."""
        wait = float(self.first_wait)
        for _ in range(attempt - 1):
            wait = min(wait * self.growth, self.longest_wait)
        return milliseconds("wait", wait)


def check_retry(retry: Retry | None) -> Retry | None:
    """Return the value, or raise ``TypeError``."""
    if retry is not None and not isinstance(retry, Retry):
        raise TypeError(f"retry must be a mooq.Retry, not {type(retry).__name__}")
    return retry
