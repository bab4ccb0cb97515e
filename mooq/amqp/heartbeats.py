"""Heartbeats, sent and enforced as by RabbitMQ.

RabbitMQ sends a heartbeat after half an interval without sending anything. It checks once per
interval whether it has received anything, and closes the connection after two checks without: two
to three intervals after the last byte.
"""

from __future__ import annotations


class Heartbeats:
    """The timers of a connection, in seconds of a monotonic clock.

    ``interval`` 0 disables both. The caller sets ``has_sent`` and ``has_received``.
    """

    __slots__ = (
        "_checks",
        "_interval",
        "_is_first",
        "_next_check",
        "_next_send",
        "has_received",
        "has_sent",
    )

    def __init__(self, interval: int, now: float) -> None:
        self._interval = interval
        self._next_send = now + interval / 2
        self._next_check = now + interval
        self._checks = 0
        self._is_first = True
        self.has_sent: bool = False
        self.has_received: bool = True

    def next_deadline(self) -> float | None:
        """Return the time of the next send or check; None for never."""
        return min(self._next_send, self._next_check) if self._interval else None

    def is_due(self, now: float) -> bool:
        """Return whether to send a heartbeat now."""
        if not self._interval or now < self._next_send:
            return False
        is_idle = self._is_first or not self.has_sent  # the first one is always sent
        self.has_sent = self._is_first = False
        self._next_send = now + self._interval / 2
        return is_idle

    def is_missed(self, now: float) -> bool:
        """Return whether the peer has been silent for too long."""
        if not self._interval or now < self._next_check:
            return False
        self._next_check = now + self._interval
        has_received, self.has_received = self.has_received, False
        self._checks = 0 if has_received else self._checks + 1
        return self._checks > 1

    def mark_received(self) -> None:
        """Treat the peer as heard, because its data is not being read."""
        self.has_received = True
