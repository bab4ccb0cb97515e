"""Returned messages, and which of them the client asked for.

RabbitMQ reports only mandatory messages as unroutable. So mooq makes every message mandatory, and
passes on only the returns that the client asked for.
"""

from __future__ import annotations

from collections import deque

REMEMBERED = 2**16  # publishes that may still be returned


class Returns:
    """The mandatory bits of the messages that one channel has published.

    As long as all are the same, which is usual, nothing else is stored.
    """

    def __init__(self) -> None:
        self._given: set[bool] = set()
        self._published: deque[tuple[int, bool]] = deque(maxlen=REMEMBERED)

    def publish(self, fingerprint: int, mandatory: bool) -> None:
        """Store a message's bit, in the order of publishing."""
        self._given.add(mandatory)
        self._published.append((fingerprint, mandatory))

    def is_wanted(self, fingerprint: int) -> bool:
        """Whether the client asked for the return of this message; returns come in order."""
        if len(self._given) == 1:
            return True in self._given
        while self._published:
            published, mandatory = self._published.popleft()
            if published == fingerprint:
                return mandatory
        return True
