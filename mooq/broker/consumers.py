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

    The single active consumer stays active when one of a higher priority comes, unless
    ``switches_active``: then it gives way once it has nothing unacknowledged, and gets no message
    until then. Its successor is the first of the highest priority, or just the first of all if not
    ``ranks_waiting``. (``activate_next_consumer()`` of ``rabbit_fifo``.)

    ``leaves_when_full`` is whether a consumer loses its turn with the message that fills it, as in
    quorum queues, instead of when its turn comes.
    """

    def __init__(
        self,
        *,
        is_single_active: bool,
        switches_active: bool = False,
        ranks_waiting: bool = True,
        leaves_when_full: bool = False,
    ) -> None:
        self.all: list[Consumer] = []
        self.is_single_active = is_single_active
        self._switches_active = switches_active
        self._ranks_waiting = ranks_waiting
        self._leaves_when_full = leaves_when_full
        self._active_one: Consumer | None = None
        self._is_giving_way = False
        self._rings: dict[int, deque[Consumer]] = {}
        self._in_order: list[deque[Consumer]] = []  # the highest priority first

    def __len__(self) -> int:
        return len(self.all)

    def refuses(self, exclusive: bool) -> bool:
        """Whether another consumer cannot be: one is exclusive, or it wants to be and is not alone.

        Where a single consumer is active none can be exclusive.
        """
        if exclusive and (self.all or self.is_single_active):
            return True
        return any(consumer.exclusive for consumer in self.all)

    def add(self, consumer: Consumer) -> None:
        """Let a consumer join at the end."""
        self.all.append(consumer)
        self._join(consumer)
        if self.is_single_active:
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
        if self.is_single_active:
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
                    if self._leaves_when_full and limit == consumer.unsettled + 1:
                        ring.popleft()
                        consumer.is_waiting = True
                    else:
                        ring.rotate(-1)
                    return consumer
                ring.popleft()
                consumer.is_waiting = True
        return None

    def _active(self) -> Consumer | None:
        """Return the single active consumer; None while it gives way."""
        active = self._active_one
        if active is not None and not active.is_active:
            active = None
        if active is not None and self._switches_active:
            if max(one.priority for one in self.all) > active.priority:
                self._is_giving_way = True
            if self._is_giving_way:
                if active.unsettled:
                    return None
                active = None
        if active is None and self.all:
            self._is_giving_way = False
            active = min(self.all, key=self._rank) if self._ranks_waiting else self.all[0]
        self._active_one = active
        return active

    def _rank(self, consumer: Consumer) -> tuple[int, float]:
        """Return a number that is lower for one that is to be active earlier."""
        credit = consumer.limit or float("inf")
        return -consumer.priority, -credit if self._switches_active else 0

    def _join(self, consumer: Consumer) -> None:
        if consumer.priority not in self._rings:
            self._rings[consumer.priority] = deque()
            self._in_order = [self._rings[one] for one in sorted(self._rings, reverse=True)]
        self._rings[consumer.priority].append(consumer)
