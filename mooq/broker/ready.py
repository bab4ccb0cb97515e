"""Messages of a queue that are ready: in order of position, or of priority and then position."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from mooq.broker.message import Message


class QueuedMessage:
    """A message at its position in one queue.

    ``expires`` is when it does, if ever; ``delivery_count`` how often it was delivered and came
    back; ``acquired_count`` how often it was taken.
    """

    __slots__ = (
        "acquired_count",
        "delivery_count",
        "expires",
        "has_own_ttl",
        "message",
        "position",
        "priority",
        "redelivered",
    )

    def __init__(self, message: Message, position: int, priority: int, redelivered: bool) -> None:
        self.message = message
        self.position = position
        self.priority = priority
        self.redelivered = redelivered
        self.expires: float | None = None
        self.has_own_ttl = False
        self.delivery_count = 0
        self.acquired_count = 0

    def __lt__(self, other: QueuedMessage) -> bool:
        if self.priority != other.priority:
            return self.priority > other.priority
        return self.position < other.position


class ReadyMessages:
    """First in, first out. What comes back returns to its position."""

    def __init__(self) -> None:
        self._fresh: deque[QueuedMessage] = deque()
        self._returned: list[QueuedMessage] = []  # a heap, each before all that is fresh

    def __len__(self) -> int:
        return len(self._fresh) + len(self._returned)

    def __iter__(self) -> Iterator[QueuedMessage]:
        yield from sorted(self._returned)
        yield from self._fresh

    def push(self, queued: QueuedMessage) -> None:
        """Add a message at the end."""
        self._fresh.append(queued)

    def put_back(self, queued: QueuedMessage) -> None:
        """Return a message to its position."""
        heappush(self._returned, queued)

    def first(self) -> QueuedMessage:
        """Return the next message, which stays."""
        return self._returned[0] if self._returned else self._fresh[0]

    def pop(self) -> QueuedMessage:
        """Take the next message."""
        return heappop(self._returned) if self._returned else self._fresh.popleft()

    def pop_oldest(self) -> QueuedMessage:
        """Take the message that gives way where there are too many."""
        return self.pop()

    def clear(self) -> None:
        """Drop all."""
        self._fresh.clear()
        self._returned.clear()

    def keep(self, kept: list[QueuedMessage]) -> None:
        """Keep just these, which are in order."""
        self.clear()
        self._fresh.extend(kept)


class PriorityMessages(ReadyMessages):
    """The highest priority first, each in order of position."""

    def push(self, queued: QueuedMessage) -> None:
        """Add a message behind those of its priority."""
        heappush(self._returned, queued)

    def pop_oldest(self) -> QueuedMessage:
        """Take the first of the lowest priority."""
        lowest = max(self._returned, key=lambda one: (-one.priority, -one.position))
        self._returned.remove(lowest)
        heapify(self._returned)
        return lowest


class QuorumMessages(ReadyMessages):
    """First in, first out; what comes back is next, in the order in which it came back.

    RabbitMQ 3.10 puts it behind all others, which is ``to_tail``.
    """

    def __init__(self, to_tail: bool) -> None:
        super().__init__()
        self._to_tail = to_tail
        self._next: deque[QueuedMessage] = deque()

    def __len__(self) -> int:
        return len(self._fresh) + len(self._next)

    def __iter__(self) -> Iterator[QueuedMessage]:
        yield from self._next
        yield from self._fresh

    def put_back(self, queued: QueuedMessage) -> None:
        """Return a message to the front, behind those that came back before; or to the tail."""
        (self._fresh if self._to_tail else self._next).append(queued)

    def first(self) -> QueuedMessage:
        """Return the next message, which stays."""
        return self._next[0] if self._next else self._fresh[0]

    def pop(self) -> QueuedMessage:
        """Take the next message."""
        return self._next.popleft() if self._next else self._fresh.popleft()

    def clear(self) -> None:
        """Drop all."""
        super().clear()
        self._next.clear()
