"""Consumers of a queue and their order: round robin, priorities, single active consumer.

Each priority has a ring of consumers. The first one gets the next message and moves to the end. A
consumer that has reached its prefetch limit when it is first leaves the ring, and rejoins at the
end when it is below the limit again. Measured on RabbitMQ 3.10, 4.0 and 4.3.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.broker.channel import Channel


class Consumer:
    """A consumer.

    ``limit`` is its prefetch count, 0 for none. ``timeout`` is the number of seconds within which
    it must acknowledge, None for no limit.
    """

    __slots__ = (
        "channel",
        "exclusive",
        "ignores_channel_limit",
        "is_active",
        "is_waiting",
        "left_as",
        "limit",
        "no_ack",
        "number",
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
        self.ignores_channel_limit: bool = False  # consumers of quorum queues do
        self.number: int = 0  # its number among those of its queue
        self.unsettled: int = 0
        self.is_active: bool = True  # until it is cancelled
        self.is_waiting: bool = False  # out of the ring until it is below its limit
        self.left_as: int = 0  # the order in which it left the ring

    @property
    def has_room(self) -> bool:
        """Whether it can get another message."""
        channel = self.channel
        if channel.connection.is_paused:
            return False
        if self.limit and self.unsettled >= self.limit:
            return False
        deliveries = channel.deliveries
        return (
            not deliveries.global_limit
            or self.ignores_channel_limit
            or deliveries.global_unsettled < deliveries.global_limit
        )


class Consumers:
    """The consumers of one queue.

    A single active consumer stays active when one with a higher priority is added. With
    ``switches_active`` it is replaced instead, once all its deliveries are settled, and gets no
    message until then. The next one is the first with the highest priority; without
    ``ranks_waiting`` it is the first that was added. (``activate_next_consumer()`` in RabbitMQ's
    ``rabbit_fifo``.)

    With ``leaves_when_full`` a consumer leaves its ring with the delivery that reaches its limit,
    as in quorum queues, and not when its turn comes.
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
        self._added = 0
        self._left = 0
        self._active_consumer: Consumer | None = None
        self._is_switching = False
        self._rings: dict[int, deque[Consumer]] = {}
        self._in_order: list[deque[Consumer]] = []  # highest priority first

    def __len__(self) -> int:
        return len(self.all)

    def refuses(self, exclusive: bool) -> bool:
        """Whether another consumer is refused, because an existing one or this one is exclusive.

        A queue with a single active consumer refuses exclusive consumers.
        """
        if exclusive and (self.all or self.is_single_active):
            return True
        return any(consumer.exclusive for consumer in self.all)

    def add(self, consumer: Consumer) -> None:
        """Add a consumer at the end of its ring."""
        self._added += 1
        consumer.number = self._added
        self.all.append(consumer)
        self._join(consumer)
        if self.is_single_active:
            self._active()

    def remove(self, consumer: Consumer) -> None:
        """Remove a consumer."""
        consumer.is_active = False
        self.all.remove(consumer)
        ring = self._rings[consumer.priority]
        if consumer in ring:
            ring.remove(consumer)

    def rejoin(self, consumer: Consumer) -> None:
        """Put a consumer back into its ring, if it has left it and is below its limit again."""
        if consumer.is_waiting and consumer.is_active:
            consumer.is_waiting = False
            self._rings[consumer.priority].append(consumer)

    def next(self) -> Consumer | None:
        """Return the consumer that gets the next message; None if all are at their limits."""
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
                        or consumer.ignores_channel_limit
                        or deliveries.global_unsettled < deliveries.global_limit
                    )
                ):
                    if self._leaves_when_full and limit == consumer.unsettled + 1:
                        self._leave(ring)
                    else:
                        ring.rotate(-1)
                    return consumer
                self._leave(ring)
        return None

    def _leave(self, ring: deque[Consumer]) -> None:
        """Remove the first consumer from its ring until it is below its limit."""
        consumer = ring.popleft()
        consumer.is_waiting = True
        self._left += 1
        consumer.left_as = self._left

    def _active(self) -> Consumer | None:
        """Return the single active consumer; None while it is being replaced."""
        active = self._active_consumer
        if active is not None and not active.is_active:
            active = None
        if active is not None and self._switches_active:
            if max(one.priority for one in self.all) > active.priority:
                self._is_switching = True
            if self._is_switching:
                if active.unsettled:
                    return None
                active = None
        if active is None and self.all:
            self._is_switching = False
            active = min(self.all, key=self._rank) if self._ranks_waiting else self.all[0]
        self._active_consumer = active
        return active

    def _rank(self, consumer: Consumer) -> tuple[int, float]:
        """Return a sort key for waiting consumers; the lowest becomes active next."""
        credit = consumer.limit or float("inf")
        return -consumer.priority, -credit if self._switches_active else 0

    def _join(self, consumer: Consumer) -> None:
        if consumer.priority not in self._rings:
            self._rings[consumer.priority] = deque()
            self._in_order = [self._rings[one] for one in sorted(self._rings, reverse=True)]
        self._rings[consumer.priority].append(consumer)
