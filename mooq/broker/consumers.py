"""Consumers of a queue and whose turn it is: round robin, priorities, single active consumer.

Consumers stand in a ring for each priority: the first is served and goes to the end. One that is
full when its turn comes leaves, and joins at the end when it has room again. (Measured on RabbitMQ
3.10, 4.0 and 4.3.)
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.broker.channel import Channel


class Consumer:
    """One consumer; ``limit`` is its own prefetch count, 0 for none.

    ``timeout`` is the seconds in which it must acknowledge, None for no limit.
    """

    __slots__ = (
        "channel",
        "exclusive",
        "is_active",
        "is_waiting",
        "left_as",
        "limit",
        "no_ack",
        "priority",
        "tag",
        "timeout",
        "unsettled",
    )

    def __init__(
        self,
        channel: Channel,
        tag: str,
        *,
        no_ack: bool,
        exclusive: bool,
        limit: int,
        priority: int,
        timeout: float | None = None,
    ) -> None:
        self.channel: Channel = channel
        self.tag: str = tag
        self.no_ack: bool = no_ack
        self.exclusive: bool = exclusive
        self.limit: int = limit
        self.priority: int = priority
        self.timeout: float | None = timeout
        self.unsettled: int = 0
        self.is_active: bool = True  # until it ends
        self.is_waiting: bool = False  # out of the ring until it has room
        self.left_as: int = 0  # how many of its queue had left the ring when it did

    @property
    def has_room(self) -> bool:
        """Whether it may be given another message."""
        channel = self.channel
        if channel.connection.is_paused:
            return False
        if self.no_ack:
            return True
        if self.limit and self.unsettled >= self.limit:
            return False
        deliveries = channel.deliveries
        return not deliveries.global_limit or deliveries.global_unsettled < deliveries.global_limit


class Consumers:
    """The consumers of one queue.

    ``keeps_active`` is whether a single active consumer stays active when one of a higher priority
    comes, as it does in classic queues.
    """

    def __init__(self, *, is_single_active: bool, keeps_active: bool) -> None:
        self.all: list[Consumer] = []
        self._left = 0
        self._is_single_active = is_single_active
        self._keeps_active = keeps_active
        self._active_one: Consumer | None = None
        self._rings: dict[int, deque[Consumer]] = {}
        self._in_order: list[deque[Consumer]] = []  # the highest priority first

    def __len__(self) -> int:
        return len(self.all)

    def refuses(self, exclusive: bool) -> bool:
        """Whether another consumer cannot be: one is exclusive, or it wants to be and is not alone.

        Where a single consumer is active none can be exclusive.
        """
        if exclusive and (self.all or self._is_single_active):
            return True
        return any(consumer.exclusive for consumer in self.all)

    def add(self, consumer: Consumer) -> None:
        """Let a consumer join at the end."""
        self.all.append(consumer)
        self._join(consumer)
        if self._is_single_active:
            self._active()

    def remove(self, consumer: Consumer) -> None:
        """Let a consumer leave."""
        consumer.is_active = False
        self.all.remove(consumer)
        ring = self._rings[consumer.priority]
        if consumer in ring:
            ring.remove(consumer)

    def rejoin(self, consumer: Consumer) -> None:
        """Let one that has room again join at the end, unless it never left."""
        if consumer.is_waiting and consumer.is_active:
            consumer.is_waiting = False
            self._rings[consumer.priority].append(consumer)

    def next(self) -> Consumer | None:
        """Return whose turn it is; None when all are full."""
        if self._is_single_active:
            first = self._active()
            return first if first is not None and first.has_room else None
        for ring in self._in_order:
            while ring:
                consumer = ring[0]
                limit, channel = consumer.limit, consumer.channel
                deliveries = channel.deliveries
                if (
                    (not limit or consumer.unsettled < limit)
                    and not channel.connection.is_paused
                    and (
                        not deliveries.global_limit
                        or consumer.no_ack
                        or deliveries.global_unsettled < deliveries.global_limit
                    )
                ):
                    ring.rotate(-1)
                    return consumer
                ring.popleft()
                consumer.is_waiting = True
                self._left += 1
                consumer.left_as = self._left
        return None

    def _active(self) -> Consumer | None:
        """Return the single active consumer: the first of the highest priority."""
        if not self.all:
            return None
        if not (self._keeps_active and self._active_one in self.all):
            self._active_one = min(self.all, key=lambda one: -one.priority)
        return self._active_one

    def _join(self, consumer: Consumer) -> None:
        if consumer.priority not in self._rings:
            self._rings[consumer.priority] = deque()
            self._in_order = [self._rings[one] for one in sorted(self._rings, reverse=True)]
        self._rings[consumer.priority].append(consumer)
