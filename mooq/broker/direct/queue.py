"""One queue: order, what is unacknowledged, redelivery, prefetch, round robin.

Messages keep the position they were published at: one that comes back is delivered again before
all that came after it. Consumers stand in a ring: the first is served and goes to the end. One
that is full when its turn comes leaves, and joins at the end when it has room again; one that has
room again before its turn comes keeps its place. (Measured on RabbitMQ 3.10, 4.0 and 4.3, classic
queues.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from mooq.transports.declarations import Queue as Declaration
from mooq.transports.message import Delivery, Message


class Consumer:
    """One consumer of a queue; ``owner`` is the channel that its deliveries belong to."""

    __slots__ = (
        "cancelled",
        "deliver",
        "is_active",
        "is_passed_over",
        "owner",
        "prefetch_count",
        "unsettled",
    )

    def __init__(
        self,
        owner: object,
        prefetch_count: int,
        deliver: Callable[[Delivery], None],
        cancelled: Callable[[], None],
    ) -> None:
        self.owner: object = owner
        self.prefetch_count: int = prefetch_count
        self.deliver: Callable[[Delivery], None] = deliver
        self.cancelled: Callable[[], None] = cancelled
        self.unsettled: int = 0
        self.is_active: bool = True
        self.is_passed_over: bool = False


class Entry:
    """A message at its position in one queue, and the receipt of its delivery."""

    __slots__ = ("consumer", "message", "owner", "position", "queue", "redelivered")

    def __init__(self, queue: Queue, position: int, message: Message) -> None:
        self.queue: Queue = queue
        self.position: int = position
        self.message: Message = message
        self.redelivered: bool = False
        self.owner: object = None
        self.consumer: Consumer | None = None

    def __lt__(self, other: Entry) -> bool:
        return self.position < other.position


class Queue:
    """One queue of a virtual host; ``owner`` is the connection it is exclusive to, if any."""

    def __init__(self, declaration: Declaration, owner: object = None) -> None:
        self.declaration = declaration
        self.name: str = declaration.name
        self.owner = owner
        self.consumers: list[Consumer] = []
        self._ring: deque[Consumer] = deque()
        self._fresh: deque[Message] = deque()  # the last is at the position before the next
        self._next_position = 0
        self._returned: list[Entry] = []  # a heap by position, each before all that is fresh
        self._unsettled: dict[Entry, None] = {}

    def __len__(self) -> int:
        """Return how many messages are ready to be delivered."""
        return len(self._fresh) + len(self._returned)

    def push(self, message: Message) -> None:
        """Add a message at the end, and hand it on at once if a consumer has room."""
        self._fresh.append(message)
        self._next_position += 1
        if self._ring:
            self._drain()

    def take(self, owner: object) -> Delivery | None:
        """Take the first message for a get; None when there is none."""
        if not self:
            return None
        return self._hand_out(self._pop(), owner)

    def add(self, consumer: Consumer) -> None:
        """Let a consumer join at the end of the ring; it is served what waits, at once."""
        self.consumers.append(consumer)
        self._ring.append(consumer)
        self._drain()

    def remove(self, consumer: Consumer) -> None:
        """Let a consumer leave; what it holds stays held."""
        consumer.is_active = False
        self.consumers.remove(consumer)
        if consumer in self._ring:
            self._ring.remove(consumer)

    def settle(self, entry: Entry) -> bool:
        """End the delivery of a message; False when it had ended before."""
        if entry not in self._unsettled:
            return False
        self._release(entry)
        if self._fresh or self._returned:
            self._drain()
        return True

    def requeue(self, entries: Iterable[Entry]) -> None:
        """Put unsettled messages back where they were, to be delivered again."""
        for entry in entries:
            if entry in self._unsettled:
                self._release(entry)
                # A late settle must not find the next delivery of the same message.
                again = Entry(self, entry.position, entry.message)
                again.redelivered = True
                heappush(self._returned, again)
        self._drain()

    def held_by(self, owner: object) -> list[Entry]:
        """Return the unsettled messages of a channel, in order."""
        return [entry for entry in self._unsettled if entry.owner is owner]

    def clear(self) -> None:
        """Drop every message, also those being delivered: the queue is deleted."""
        self._fresh.clear()
        self._returned.clear()
        self._unsettled.clear()

    def restart(self) -> None:
        """Do as a restart does: consumers are gone, transient messages too, the rest is kept."""
        for consumer in list(self.consumers):
            self.remove(consumer)
        self.requeue(list(self._unsettled))
        self._fresh = deque(message for message in self._fresh if message.persistent)
        # Sorted, since a heap that lost entries is no heap; a sorted list is one.
        self._returned = sorted(entry for entry in self._returned if entry.message.persistent)

    def _hand_out(self, entry: Entry, owner: object) -> Delivery:
        entry.owner = owner
        self._unsettled[entry] = None
        return Delivery(entry.message, entry.redelivered, entry)

    def _release(self, entry: Entry) -> None:
        del self._unsettled[entry]
        consumer = entry.consumer
        if consumer is not None:
            consumer.unsettled -= 1
            if consumer.is_passed_over and consumer.is_active:
                consumer.is_passed_over = False
                self._ring.append(consumer)

    def _drain(self) -> None:
        while self._ring and (self._fresh or self._returned):
            consumer = self._ring.popleft()
            if consumer.unsettled >= consumer.prefetch_count:
                consumer.is_passed_over = True
                continue
            self._ring.append(consumer)
            consumer.unsettled += 1
            entry = self._pop()
            entry.consumer = consumer
            consumer.deliver(self._hand_out(entry, consumer.owner))

    def _pop(self) -> Entry:
        if self._returned:
            return heappop(self._returned)
        position = self._next_position - len(self._fresh)
        return Entry(self, position, self._fresh.popleft())
