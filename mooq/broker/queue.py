"""Queues: ready messages, consumers, expiry, length limits and delivery limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mooq.broker import dead_letters
from mooq.broker.consumers import Consumer, Consumers
from mooq.broker.message import HAS_EXPIRATION, HAS_PRIORITY, Message
from mooq.broker.queue_settings import QueueSettings
from mooq.broker.quorum import QuorumMessages, priority_of
from mooq.broker.ready import PriorityMessages, QueuedMessage, ReadyMessages
from mooq.broker.sizes import body_size, whole_size
from mooq.broker.values import Long, Table

if TYPE_CHECKING:
    from mooq.broker.broker import Connection
    from mooq.broker.exchanges import Exchange
    from mooq.broker.virtual_host import VirtualHost


class Queue(QueueSettings):
    """A queue of a virtual host; ``owner`` is the connection that it is exclusive to, if any."""

    kind = "queue"

    def __init__(
        self,
        host: VirtualHost,
        name: str,
        queue_type: str,
        *,
        durable: bool,
        auto_delete: bool,
        owner: Connection | None,
        arguments: Table,
    ) -> None:
        super().__init__(arguments, queue_type, host.broker.version_rules)
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        self.sources: set[Exchange] = set()
        self._host = host
        self._broker = host.broker
        self._version = host.broker.version_rules
        self._next_position = 0
        self.ready: ReadyMessages = self._new_ready()
        self.consumers: Consumers = Consumers(
            is_single_active=arguments.get("x-single-active-consumer") is True,
            switches_active=queue_type == "quorum" and self._version.quorum_switches_active,
            ranks_waiting=queue_type == "classic" or self._version.quorum_switches_active,
            leaves_when_full=queue_type == "quorum",
        )
        self.unsettled: dict[QueuedMessage, Consumer | None] = {}
        """Unsettled messages, with the consumer that got each; None for basic.get."""
        self.is_deleted: bool = False
        self.is_classic: bool = queue_type == "classic"
        self._ready_bytes = 0
        counts_properties = queue_type == "quorum" and self._version.counts_properties
        self._size_of = whole_size if counts_properties else body_size
        self._has_expirations = False
        self._used = host.broker.now
        self._is_simple = (
            self.ttl is None
            and self.max_length is None
            and self.max_bytes is None
            and self.max_priority is None
            and queue_type == "classic"
        )

    def _new_ready(self) -> ReadyMessages:
        if self.type == "quorum":
            return QuorumMessages(self._version)
        return ReadyMessages() if self.max_priority is None else PriorityMessages()

    def __len__(self) -> int:
        return len(self.ready)

    @property
    def consumer_count(self) -> int:
        """The number of consumers, as RabbitMQ counts them.

        A quorum queue also counts each unsettled get, and cancelled consumers until they have
        settled everything (``query_consumer_count()`` in ``rabbit_fifo``).
        """
        count = len(self.consumers)
        if self.is_classic:
            return count
        if self.consumers.is_single_active:
            count = min(count, 1)  # it does not count those that wait
        holders = list(self.unsettled.values())
        ended = {one for one in holders if one is not None and not one.is_active}
        return count + len(ended) + holders.count(None)

    # Publishing

    def publish(self, message: Message, redelivered: bool = False) -> bool:
        """Add a message, and deliver it if a consumer has room; return False if it is refused."""
        if self._is_simple and not message.properties.flags & HAS_EXPIRATION:
            queued = QueuedMessage(message, self._next_position)
            self._next_position += 1
            ready = self.ready
            if self.consumers.all and not (ready.fresh or ready.returned):
                consumer = self.consumers.next()
                if consumer is not None:
                    self._hand_over(queued, consumer)
                    return True
            ready.fresh.append(queued)
            if redelivered:  # only if it was not delivered at once
                queued.redelivered = True
            return True
        if self.overflow != "drop-head" and self._is_full(message):
            if self.overflow == "reject-publish-dlx":
                refused = QueuedMessage(message, self._next_position)
                refused.redelivered = redelivered
                self._host.dead_letters.add(refused, self, dead_letters.MAXLEN)
            return False
        self._drop_expired()
        queued = QueuedMessage(message, self._next_position)
        if self.max_priority is not None:
            queued.priority = self._priority_of(message)
        elif not self.is_classic:
            queued.priority = priority_of(message)
            queued.delivery_count = message.delivery_count
            queued.redelivered = message.delivery_count > 0
        self._next_position += 1
        self._set_expiry(queued)
        self.ready.push(queued)
        self._ready_bytes += self._size_of(message)
        self.drain()
        if redelivered and self.is_classic:
            queued.redelivered = True
        self._drop_expired()
        self._enforce_length_limit()
        self.schedule()
        return True

    def _priority_of(self, message: Message) -> int:
        if self.max_priority is None or not message.properties.flags & HAS_PRIORITY:
            return 0
        return min(message.properties.priority or 0, self.max_priority)

    def _set_expiry(self, queued: QueuedMessage) -> None:
        ttl = self.ttl
        properties = queued.message.properties
        if properties.flags & HAS_EXPIRATION and properties.expiration is not None:
            expiration = int(properties.expiration)
            ttl = expiration if ttl is None else min(expiration, ttl)
        if ttl is not None:
            self._has_expirations = True
            queued.expires = self._broker.now + ttl / 1000

    def _is_full(self, message: Message) -> bool:
        """Whether a message exceeds a limit. Quorum queues still accept the first one that does."""
        if self.max_length is not None and len(self.ready) >= self.max_length:
            return True
        if self.max_bytes is None:
            return False
        if self.type == "quorum":
            return self._ready_bytes >= self.max_bytes
        return self._ready_bytes + self._size_of(message) > self.max_bytes

    def _enforce_length_limit(self) -> None:
        if self.overflow != "drop-head":
            return
        while len(self.ready) and (
            (self.max_length is not None and len(self.ready) > self.max_length)
            or (self.max_bytes is not None and self._ready_bytes > self.max_bytes)
        ):
            queued = self.ready.pop()  # even if it has the highest priority
            self._ready_bytes -= self._size_of(queued.message)
            self._host.dead_letters.add(queued, self, dead_letters.MAXLEN)

    def _drop_expired(self) -> None:
        now = self._broker.now
        ready = self.ready
        while len(ready):
            expires = ready.first().expires
            if expires is None or expires > now:
                return
            queued = ready.pop()
            self._ready_bytes -= self._size_of(queued.message)
            self._host.dead_letters.add(queued, self, dead_letters.EXPIRED)

    # Delivering

    def drain(self) -> None:
        """Deliver ready messages to consumers that have room."""
        ready, consumers = self.ready, self.consumers
        while ready.fresh or ready.returned:
            consumer = consumers.next()
            if consumer is None:
                return
            self._hand_over(self._pop(), consumer)
            if self._has_expirations:  # the next message may have expired
                self._drop_expired()

    def _hand_over(self, queued: QueuedMessage, consumer: Consumer) -> None:
        if not consumer.no_ack:
            consumer.unsettled += 1
            self.unsettled[queued] = consumer
        consumer.channel.deliver(self, queued, consumer)

    def take(self) -> QueuedMessage | None:
        """Take the next message for basic.get; None if there is none."""
        self._used = self._broker.now
        self._drop_expired()
        if not len(self.ready):
            return None
        queued = self._pop()
        self.unsettled[queued] = None
        if self.is_classic:
            self._drop_expired()
        else:  # the answer still counts what has expired behind it
            self.schedule()
        return queued

    def _pop(self) -> QueuedMessage:
        queued = self.ready.pop()
        if not self._is_simple:
            self._ready_bytes -= self._size_of(queued.message)
        return queued

    def as_delivered(self, queued: QueuedMessage, *, is_got: bool = False) -> Message:
        """Return a message of a quorum queue with its count headers."""
        counts: Table = {}
        acquired = queued.acquired_count or queued.delivery_count
        if self._version.has_acquired_count and acquired:
            counts["x-acquired-count"] = Long(acquired)
            if queued.delivery_count:
                counts["x-delivery-count"] = Long(queued.delivery_count)
        elif acquired or (is_got and self._version.counts_first_get):
            counts["x-delivery-count"] = Long(acquired)
        if not counts:
            return queued.message
        headers = {**(queued.message.properties.headers or {}), **counts}
        return queued.message.with_properties(headers=dict(sorted(headers.items())))

    # Settlement

    def end(self, queued: QueuedMessage) -> bool:
        """Remove an unsettled message; return False if it is not unsettled here."""
        if queued not in self.unsettled:
            return False
        del self.unsettled[queued]
        if self.expires is not None and not self.is_classic:
            self.use()
        return True

    def dead_letter(self, queued: QueuedMessage, reason: str) -> None:
        """Dead-letter a removed message."""
        queued.redelivered = True
        self._host.dead_letters.add(queued, self, reason)

    def fail(self, queued: QueuedMessage) -> None:
        """Count a failed delivery of a quorum queue."""
        if not self.is_classic:
            queued.delivery_count += 1

    def exceeds_limit(self, queued: QueuedMessage, *, counts: bool) -> bool:
        """Whether a requeue exceeds the delivery limit; ``counts`` is whether it counts."""
        limit = self.delivery_limit
        if self.is_classic or limit is None:
            return False
        if self._version.limits_returns:
            return queued.acquired_count >= limit
        return queued.delivery_count + counts > limit

    def requeue(
        self, queued: QueuedMessage, *, counts: bool = False, is_asked: bool = False
    ) -> None:
        """Requeue a message; ``counts`` is whether this counts towards the delivery limit.

        A quorum queue without a limit may requeue at the tail if a client requeues (``is_asked``).
        It requeues at the head if a channel closes (``handle_aux()`` in RabbitMQ's
        ``rabbit_fifo``).
        """
        if not self.end(queued):
            return
        queued.redelivered = True
        if not self.is_classic:
            queued.delivery_count += counts
            queued.acquired_count += 1
        to_tail = is_asked and self.delivery_limit is None and self._version.requeues_to_tail
        if isinstance(self.ready, QuorumMessages) and to_tail:
            self.ready.put_last(queued)
        else:
            self.ready.put_back(queued)
        if not self._is_simple:
            self._ready_bytes += self._size_of(queued.message)

    def resume(self) -> None:
        """Resume delivery after messages were settled or a consumer has room again."""
        if self.is_deleted:
            return
        if self._is_simple and not self._has_expirations:
            self.drain()
            return
        if self.is_classic:  # requeued messages may exceed the limit; they are dropped first
            self._enforce_length_limit()
        self._drop_expired()
        self.drain()
        self._enforce_length_limit()
        self.schedule()

    # Consumers

    def add_consumer(self, consumer: Consumer) -> None:
        """Add a consumer."""
        consumer.ignores_channel_limit = not self.is_classic
        self.consumers.add(consumer)
        self.resume()

    def remove_consumer(self, consumer: Consumer) -> None:
        """Remove a consumer; an auto-delete queue is deleted with the last one."""
        self.consumers.remove(consumer)
        self._used = self._broker.now
        if self.auto_delete and not self.consumers.all:
            self._host.delete_queue(self)
            return
        self.schedule()
        if len(self.ready):
            self.drain()  # another one may have become active

    # Time

    def use(self) -> None:
        """Restart the time after which an unused queue is deleted."""
        self._used = self._broker.now
        self.schedule()

    def declare_again(self) -> None:
        """Note that the queue was declared again; that does not count as use of a quorum queue."""
        if self.is_classic:
            self.use()

    def next_deadline(self) -> float | None:
        """Return the time at which a message or the queue itself expires."""
        deadline: float | None = None
        if self.expires is not None and not self.consumer_count:
            deadline = self._used + self.expires / 1000
        if len(self.ready):
            expires = self.ready.first().expires
            if expires is not None and (deadline is None or expires < deadline):
                deadline = expires
        return deadline

    def schedule(self) -> None:
        """Schedule a call of :meth:`advance` at the next deadline."""
        deadline = self.next_deadline()
        if deadline is not None:
            self._broker.schedule(deadline, self)

    def advance(self, now: float) -> None:
        """Expire the queue, or its messages, at a deadline."""
        if self.is_deleted:
            return
        if (
            self.expires is not None
            and not self.consumer_count
            and self._used + self.expires / 1000 <= now
        ):
            self._host.delete_queue(self)
            return
        self._drop_expired()
        self.schedule()

    # Deleting

    def purge(self) -> int:
        """Drop the ready messages; return their number."""
        count = len(self.ready)
        self.ready.clear()
        self._ready_bytes = 0
        return count

    def clear(self) -> None:
        """Drop everything, because the queue is deleted."""
        self.is_deleted = True
        self.ready.clear()
        self.unsettled.clear()

    def restart(self) -> None:
        """Keep the messages that survive a restart."""
        for queued in list(self.unsettled):
            self.requeue(queued)
        kept = [
            queued for queued in self.ready if self.type == "quorum" or queued.message.is_persistent
        ]
        if isinstance(self.ready, PriorityMessages):
            self.ready.clear()
            for queued in kept:
                self.ready.push(queued)
        else:
            self.ready.keep(kept)
        self._ready_bytes = sum(self._size_of(queued.message) for queued in kept)
