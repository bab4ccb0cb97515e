"""Ready messages of a queue, ordered by position, or by priority and then position."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any

from mooq.broker.message import Message


class QueuedMessage:
    """A message at its position in one queue.

    ``expires`` is the time at which it expires, None for never. ``delivery_count`` is the number of
    failed deliveries, ``acquired_count`` the number of all deliveries and gets.
    """

    # Class attributes, because most messages keep these values.
    priority = 0
    redelivered = False
    expires: float | None = None
    delivery_count = 0
    acquired_count = 0

    def __init__(self, message: Message, position: int) -> None:
        self.message = message
        self.position = position

    def __lt__(self, other: QueuedMessage) -> bool:
        if self.priority != other.priority:
            return self.priority > other.priority
        return self.position < other.position


class ReadyMessages:
    """First in, first out. Requeued messages return to their positions.

    ``returned`` is a heap of requeued messages, which come before all ``fresh`` ones.
    """

    def __init__(self) -> None:
        self.fresh: deque[QueuedMessage] = deque()
        self.returned: Any = []

    def __len__(self) -> int:
        return len(self.fresh) + len(self.returned)

    def __iter__(self) -> Iterator[QueuedMessage]:
        yield from sorted(self.returned)
        yield from self.fresh

    def push(self, queued: QueuedMessage) -> None:
        """Add a message at the end."""
        self.fresh.append(queued)

    def put_back(self, queued: QueuedMessage) -> None:
        """Return a message to its position."""
        heappush(self.returned, queued)

    def first(self) -> QueuedMessage:
        """Return the next message without removing it."""
        first: QueuedMessage = self.returned[0] if self.returned else self.fresh[0]
        return first

    def pop(self) -> QueuedMessage:
        """Remove and return the next message."""
        if self.returned:
            queued: QueuedMessage = heappop(self.returned)
            return queued
        return self.fresh.popleft()

    def clear(self) -> None:
        """Drop all messages."""
        self.fresh.clear()
        self.returned.clear()

    def keep(self, kept: list[QueuedMessage]) -> None:
        """Keep only these messages, which are in order."""
        self.clear()
        self.fresh.extend(kept)


class PriorityMessages(ReadyMessages):
    """Ordered by priority, the highest first, then by position."""

    def push(self, queued: QueuedMessage) -> None:
        """Add a message after those of the same priority."""
        heappush(self.returned, queued)


class QuorumMessages(ReadyMessages):
    """First in, first out. Requeued messages come first, in the order of requeueing.

    RabbitMQ 3.10 puts them last: ``to_tail``.
    """

    def __init__(self, to_tail: bool) -> None:
        super().__init__()
        self._to_tail = to_tail
        self.returned: deque[QueuedMessage] = deque()

    def __iter__(self) -> Iterator[QueuedMessage]:
        yield from self.returned
        yield from self.fresh

    def put_back(self, queued: QueuedMessage) -> None:
        """Requeue a message after those that were requeued earlier, or at the tail."""
        (self.fresh if self._to_tail else self.returned).append(queued)

    def pop(self) -> QueuedMessage:
        """Remove and return the next message."""
        waiting: deque[QueuedMessage] = self.returned or self.fresh
        return waiting.popleft()
