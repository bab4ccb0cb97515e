"""Ready messages of a classic queue, in order of position, or of priority and then position."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any, Protocol

from mooq.broker.message import Message


class QueuedMessage:
    """A message at its position in one queue.

    ``expires`` is when it does, if ever. In a quorum queue, ``acquired_count`` is how often it came
    back, and ``delivery_count`` how often that counted towards a delivery limit.
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


class _MessageLine(Protocol):
    """The methods of ``deque`` that hold messages without earlier deliveries."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[QueuedMessage]: ...
    def __getitem__(self, index: int, /) -> QueuedMessage: ...
    def append(self, queued: QueuedMessage, /) -> None: ...
    def extend(self, messages: Iterable[QueuedMessage], /) -> None: ...
    def popleft(self) -> QueuedMessage: ...
    def clear(self) -> None: ...


class ReadyMessages:
    """First in, first out. Requeued messages return to their positions.

    ``returned`` is a heap of requeued messages, which come before all ``fresh`` ones.
    """

    def __init__(self, fresh: _MessageLine | None = None) -> None:
        self.fresh: _MessageLine = deque() if fresh is None else fresh
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
