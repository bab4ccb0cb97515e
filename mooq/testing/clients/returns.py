"""Returned messages: which of them the client asked for.

RabbitMQ says only of a mandatory message that it is unroutable. So every message is made mandatory,
and the client gets the returns that it has asked for, no other.
"""

from __future__ import annotations

from collections import deque

REMEMBERED = 2**16  # publishes whose return may be on its way


class Returns:
    """The mandatory bit of the messages that one channel has published.

    As long as all have the same, which is usual, nothing else need be known.
    """

    def __init__(self) -> None:
        self._given: set[bool] = set()
        self._published: deque[tuple[int, bool]] = deque(maxlen=REMEMBERED)

    def publish(self, fingerprint: int, mandatory: bool) -> None:
        """Remember a message, in the order of publishing."""
        self._given.add(mandatory)
        self._published.append((fingerprint, mandatory))

    def is_wanted(self, fingerprint: int) -> bool:
        """Whether the client asked for the return of this message; they come in order."""
        if len(self._given) == 1:
            return True in self._given
        while self._published:
            published, mandatory = self._published.popleft()
            if published == fingerprint:
                return mandatory
        return True
