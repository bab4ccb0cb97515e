"""Ready messages of a quorum queue: requeued messages first, then the others by priority.

The rules are those of ``rabbit_fifo``, ``rabbit_fifo_q`` (4.0) and ``rabbit_fifo_pq`` (4.3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from mooq.broker.message import HAS_PRIORITY, Message
from mooq.broker.ready import QueuedMessage, ReadyMessages
from mooq.broker.versions import Version

DEFAULT_PRIORITY = 4
HIGHEST_PRIORITY = 31


class QuorumMessages(ReadyMessages):
    """Ready messages. Requeued ones are next, in the order in which they were requeued."""

    def __init__(self, version: Version) -> None:
        by_priorities = {"one": None, "two": _TwoPriorities(), "all": _Priorities()}
        super().__init__(by_priorities[version.quorum_priorities])
        self.returned: deque[QueuedMessage] = deque()

    def __iter__(self) -> Iterator[QueuedMessage]:
        yield from self.returned
        yield from self.fresh

    def put_back(self, queued: QueuedMessage) -> None:
        """Requeue a message before all new messages, but after those requeued earlier."""
        self.returned.append(queued)

    def put_last(self, queued: QueuedMessage) -> None:
        """Requeue a message at the tail, with the default priority."""
        queued.priority = DEFAULT_PRIORITY
        self.fresh.append(queued)

    def pop(self) -> QueuedMessage:
        """Take the next message."""
        return self.returned.popleft() if self.returned else self.fresh.popleft()


def priority_of(message: Message) -> int:
    """Return the priority of a message in a quorum queue."""
    priority = message.properties.priority if message.properties.flags & HAS_PRIORITY else None
    return DEFAULT_PRIORITY if priority is None else min(priority, HIGHEST_PRIORITY)


class _Priorities:
    """Messages by priority, the highest first."""

    def __init__(self) -> None:
        self._levels: dict[int, deque[QueuedMessage]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._levels.values()))

    def __iter__(self) -> Iterator[QueuedMessage]:
        for level in sorted(self._levels, reverse=True):
            yield from self._levels[level]

    def __getitem__(self, index: int) -> QueuedMessage:
        return self._next()[index]

    def append(self, queued: QueuedMessage) -> None:
        self._levels.setdefault(self._level(queued), deque()).append(queued)

    def extend(self, messages: Iterable[QueuedMessage]) -> None:
        for queued in messages:
            self.append(queued)

    def popleft(self) -> QueuedMessage:
        return self._next().popleft()

    def clear(self) -> None:
        self._levels.clear()

    def _level(self, queued: QueuedMessage) -> int:
        return queued.priority

    def _next(self) -> deque[QueuedMessage]:
        return self._levels[max(level for level, waiting in self._levels.items() if waiting)]


class _TwoPriorities(_Priorities):
    """Messages of two levels. After two messages, an older one of the low level is next."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = 0

    def popleft(self) -> QueuedMessage:
        queued = super().popleft()
        self._turn = (self._turn + 1) % 3
        return queued

    def _level(self, queued: QueuedMessage) -> int:
        return int(queued.priority > DEFAULT_PRIORITY)

    def _next(self) -> deque[QueuedMessage]:
        high, low = self._levels.get(1), self._levels.get(0)
        is_turn_of_low = self._turn == 2 and high and low
        if is_turn_of_low and high and low and low[0].position < high[0].position:
            return low
        return super()._next()
