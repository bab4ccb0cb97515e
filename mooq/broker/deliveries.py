"""Deliveries of a channel: their tags, and their settlement."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias

from mooq.broker import dead_letters, refusals
from mooq.broker.consumers import Consumer
from mooq.broker.effects import ChannelClosed, ConsumerCancelled, Delivered
from mooq.broker.message import Message
from mooq.broker.queue import Queue
from mooq.broker.ready import QueuedMessage

if TYPE_CHECKING:
    from mooq.broker.channel import Channel

NEVER = float("inf")

Unacknowledged: TypeAlias = "tuple[QueuedMessage, Queue, Consumer | None, float]"
"""A message, its queue, its consumer (None for a get), and the time by which to settle it."""


Settlement: TypeAlias = "Callable[[dict[int, Unacknowledged]], None]"


def _by_consumer(taken: dict[int, Unacknowledged]) -> list[Unacknowledged]:
    """Return deliveries in the order in which RabbitMQ settles them: by queue and consumer tag.

    Gets come first. (``foreach_per_queue()`` in ``rabbit_channel``.)
    """

    def key(item: tuple[int, Unacknowledged]) -> tuple[str, bool, int, str]:
        tag, (_, queue, consumer, _) = item
        if consumer is None:
            return queue.name, False, tag, ""
        return queue.name, True, 0, consumer.tag

    if len(taken) == 1:
        return list(taken.values())
    return [delivery for _, delivery in sorted(taken.items(), key=key)]


def _end_key(item: tuple[int, Unacknowledged], *, is_by_tag: bool) -> tuple[bool, int, str]:
    """Return a key that sorts deliveries in the order in which they return with their channel.

    A quorum queue returns those of one consumer after those of another: by tag, or first those of
    the consumer that was added first, and last those of gets. (``handle_down()`` in
    ``rabbit_fifo``, which numbers gets.)
    """
    tag, (_, queue, consumer, _) = item
    if queue.is_classic:
        return False, 0, ""
    if is_by_tag:
        return False, 0, str(tag) if consumer is None else consumer.tag
    return (True, 0, str(tag)) if consumer is None else (False, consumer.number, "")


def put_back(
    deliveries: Collection[Unacknowledged], *, counts: bool, is_asked: bool
) -> list[tuple[Queue, QueuedMessage]]:
    """Requeue messages; return those that exceed a delivery limit instead.

    ``counts`` is whether this counts towards the limit, ``is_asked`` whether a client asked for it.
    """
    over: list[tuple[Queue, QueuedMessage]] = []
    for queued, queue, consumer, _ in deliveries:
        if queue.exceeds_limit(queued, counts=counts) and queue.end(queued):
            over.append((queue, queued))
            if consumer is not None and consumer.limit:
                rules = consumer.channel.connection.broker.version_rules
                consumer.limit += rules.credits_twice
    for _, queued in over:
        queued.delivery_count += counts
    for queued, queue, _, _ in deliveries:
        queue.requeue(queued, counts=counts, is_asked=is_asked)
    return over


def dead_letter_over_limit(over: list[tuple[Queue, QueuedMessage]]) -> None:
    """Dead-letter the messages that exceed a delivery limit."""
    for queue, queued in over:
        queue.dead_letter(queued, dead_letters.DELIVERY_LIMIT)


class Deliveries:
    """The unsettled deliveries of a channel.

    ``global_limit`` is the channel's prefetch count, 0 for none, and ``global_unsettled`` how many
    deliveries it counts (``rabbit_limiter``).
    """

    def __init__(self, channel: Channel) -> None:
        self.global_limit: int = 0
        self.global_unsettled: int = 0
        self._channel = channel
        self._broker = channel.connection.broker
        self._outbox = channel.connection.broker.outbox
        self.last_tag: int = 0
        self._next_due = NEVER
        self._unacknowledged: dict[int, Unacknowledged] = {}

    def limit_globally(self, limit: int) -> None:
        """Limit all deliveries of the channel; 0 for no limit.

        A new limit also counts unsettled gets, and does not notice that they are settled.
        """
        if not self.global_limit:
            self.global_unsettled = len(self._unacknowledged)
        self.global_limit = limit
        self._channel.wake_consumers()

    def deliver(self, queue: Queue, queued: QueuedMessage, consumer: Consumer) -> None:
        """Deliver a message to a consumer."""
        self.last_tag = tag = self.last_tag + 1
        if not consumer.no_ack:
            if self.global_limit and queue.is_classic:
                self.global_unsettled += 1
            timeout = consumer.timeout
            due = NEVER if timeout is None else self._due_after(timeout)
            self._unacknowledged[tag] = queued, queue, consumer, due
        message = queued.message if queue.is_classic else queue.as_delivered(queued)
        self._outbox.append(
            Delivered(self._channel, consumer.tag, tag, queued.redelivered, message)
        )

    def deliver_reply(self, tag: str, message: Message) -> None:
        """Deliver a reply to the channel's reply consumer.

        Before 4.3 the next delivery has the same tag (``deliver_reply`` in RabbitMQ's
        ``rabbit_channel``); a reply is never settled.
        """
        number = self.last_tag + 1
        if self._broker.version_rules.numbers_replies:
            self.last_tag = number
        self._outbox.append(Delivered(self._channel, tag, number, False, message))

    def take(self, queue: Queue, queued: QueuedMessage, no_ack: bool) -> int:
        """Return the delivery tag for a message taken with basic.get."""
        self.last_tag = tag = self.last_tag + 1
        if no_ack:
            queue.end(queued)
        else:
            self._unacknowledged[tag] = queued, queue, None, NEVER
        return tag

    def queue_names(self) -> list[str]:
        """Return the queue name of each unsettled delivery."""
        return [queue.name for _, queue, _, _ in self._unacknowledged.values()]

    def restore(self, again: dict[int, Unacknowledged]) -> None:
        """Restore the deliveries of a transaction that was rolled back."""
        self._unacknowledged = dict(sorted((again | self._unacknowledged).items()))

    def take_all(self) -> dict[int, Unacknowledged]:
        """Remove and return all unacknowledged deliveries."""
        held, self._unacknowledged = self._unacknowledged, {}
        is_by_tag = self._broker.version_rules.sorts_consumers_by_tag
        return dict(sorted(held.items(), key=partial(_end_key, is_by_tag=is_by_tag)))

    def acknowledge(self, delivery_tag: int, multiple: bool) -> None:
        """Acknowledge one delivery, or all up to a tag."""
        if not multiple and self._channel.transaction is None and not self.global_limit:
            if not self.acknowledge_one(delivery_tag, by_name=True):
                raise refusals.unknown_delivery_tag(delivery_tag)
            return
        taken = self._take(delivery_tag, multiple)
        self._settle(taken, self.acknowledge_all)

    def nack(self, delivery_tag: int, multiple: bool, requeue: bool) -> None:
        """Requeue or dead-letter one delivery, or all up to a tag."""
        taken = self._take(delivery_tag, multiple)
        self._settle(taken, self._return if requeue else self._discard)

    def reject(self, delivery_tag: int, requeue: bool) -> None:
        """Requeue or dead-letter one delivery."""
        taken = self._take(delivery_tag, False)
        settle: Settlement = self._reject
        if requeue:
            settle = self._fail if self._broker.version_rules.rejects_fail else self._return
        self._settle(taken, settle)

    def recover(self, requeue: bool) -> None:
        """Requeue all unacknowledged deliveries."""
        if not requeue:
            raise refusals.not_implemented("requeue=false")
        taken, self._unacknowledged = self._unacknowledged, {}
        self._return(taken)

    def holds(self, tag: int) -> bool:
        """Return whether a delivery is unacknowledged and its queue still exists."""
        held = self._unacknowledged.get(tag)
        return held is not None and not held[1].is_deleted

    def _take(self, tag: int, multiple: bool) -> dict[int, Unacknowledged]:
        held = self._unacknowledged
        if multiple:
            if tag == 0:
                self._unacknowledged = {}
                return held
            if tag not in held:
                raise refusals.unknown_delivery_tag(tag)
            taken = {one: held[one] for one in takewhile(lambda one: one <= tag, held)}
            for one in taken:
                del held[one]
            return {one: self._exchanged(delivery) for one, delivery in taken.items()}
        delivery = held.pop(tag, None)
        if delivery is None:
            raise refusals.unknown_delivery_tag(tag)
        return {tag: self._exchanged(delivery)}

    def _exchanged(self, delivery: Unacknowledged) -> Unacknowledged:
        """Return the delivery that is settled in place of this one, nearly always this one.

        A classic queue is found by its name, and a message by its number in it. If the queue was
        deleted and declared again, the new queue's message with this number is settled. The two
        deliveries change places, so that each is settled once.
        """
        queued, queue, _, _ = delivery
        if queue.is_deleted and queue.is_classic:
            for tag, other in self._unacknowledged.items():
                current = other[1]
                if (
                    current.name == queue.name
                    and current.is_classic
                    and not current.is_deleted
                    and other[0].position == queued.position
                ):
                    self._unacknowledged[tag] = delivery
                    return other
        return delivery

    def _settle(self, taken: dict[int, Unacknowledged], settle: Settlement) -> None:
        if self._channel.transaction is None:
            settle(taken)
        else:
            self._channel.transaction.settle(taken, settle)

    def acknowledge_one(self, tag: int, *, by_name: bool = False) -> bool:
        """Acknowledge one delivery; return False for an unknown tag.

        ``by_name`` is whether its queue is found by its name, as AMQP does.
        """
        delivery = self._unacknowledged.pop(tag, None)
        if delivery is None:
            return False
        queued, queue, consumer, _ = delivery
        if not queue.end(queued) and by_name:
            queued, queue, consumer, _ = self._exchanged(delivery)
            queue.end(queued)
        if consumer is not None:
            if consumer.is_active:
                consumer.unsettled -= 1
                if consumer.is_waiting:
                    queue.consumers.rejoin(consumer)
            else:
                self._free_capacity(queue, consumer)
        ready = queue.ready
        if ready.fresh or ready.returned:
            queue.resume()
        return True

    def acknowledge_all(self, taken: dict[int, Unacknowledged]) -> None:
        """Acknowledge deliveries."""
        for queued, queue, _, _ in taken.values():
            queue.end(queued)
        self._release(taken.values())

    def _reject(self, taken: dict[int, Unacknowledged], *, fails: bool = True) -> None:
        rejected = [
            (queue, queued) for queued, queue, _, _ in _by_consumer(taken) if queue.end(queued)
        ]
        # A dead letter may return to its own queue. It comes last there, and the consumer can
        # already get another message (handle_cast({reject, ...}) in rabbit_amqqueue_process).
        self._release(taken.values())
        for queue, queued in rejected:
            if fails:
                queue.fail(queued)
            queue.dead_letter(queued, dead_letters.REJECTED)

    def _discard(self, taken: dict[int, Unacknowledged]) -> None:
        self._reject(taken, fails=not self._broker.version_rules.rejects_fail)

    def _return(self, taken: dict[int, Unacknowledged]) -> None:
        counts = self._broker.version_rules.counts_returns
        self._requeue(taken, counts=counts, is_asked=True)

    def _fail(self, taken: dict[int, Unacknowledged]) -> None:
        self._requeue(taken, counts=True, is_asked=False)

    def _requeue(self, taken: dict[int, Unacknowledged], *, counts: bool, is_asked: bool) -> None:
        over = put_back(_by_consumer(taken), counts=counts, is_asked=is_asked)
        self._release(taken.values())
        dead_letter_over_limit(over)

    def _release(self, deliveries: Iterable[Unacknowledged]) -> None:
        """Update the counts of consumers, and resume delivery from the queues."""
        queues: dict[Queue, None] = {}
        for _, queue, consumer, _ in deliveries:
            queues[queue] = None
            if consumer is not None:
                self.global_unsettled -= self.global_unsettled > 0
                self._free_capacity(queue, consumer)
        if self.global_limit:
            self._channel.wake_consumers()
        for queue in queues:
            queue.resume()

    def _free_capacity(self, queue: Queue, consumer: Consumer) -> None:
        """Count one unsettled delivery less for a consumer.

        A classic queue counts by consumer tag, so a delivery of an ended consumer is counted for a
        later one with the same tag.
        """
        if not consumer.is_active:
            successor = self._channel.successor(consumer, queue) if queue.is_classic else None
            if successor is None:
                return
            consumer = successor
        consumer.unsettled -= 1
        if consumer.is_waiting and not self.global_limit:  # else all of the channel are woken
            queue.consumers.rejoin(consumer)

    def _due_after(self, timeout: float) -> float:
        """Return the time by which a new delivery must be settled, and schedule a check."""
        due = self._broker.now + timeout
        if due < self._next_due:
            self._next_due = due
            self._broker.schedule(due, self)
        return due

    def advance(self, now: float) -> None:
        """Close the channel, or cancel a consumer, if a delivery was not settled in time."""
        self._next_due = NEVER
        if not self._channel.is_open:
            return
        late = [one for one in self._unacknowledged.values() if one[3] <= now]
        for _, queue, consumer, _ in late:
            assert consumer is not None
            if self._broker.version_rules.times_out_classic:
                assert consumer.timeout is not None
                self._channel.close()
                refusal = refusals.consumer_timeout(self._channel.number, consumer.timeout)
                self._outbox.append(ChannelClosed(self._channel, refusal))
                return
            if consumer.is_active:
                self._cancel_late_consumer(queue, consumer)
        self._next_due = min((one[3] for one in self._unacknowledged.values()), default=NEVER)
        if self._next_due != NEVER:
            self._broker.schedule(self._next_due, self)

    def _cancel_late_consumer(self, queue: Queue, consumer: Consumer) -> None:
        """Cancel a consumer that did not settle in time, and requeue its deliveries."""
        mine = {tag: one for tag, one in self._unacknowledged.items() if one[2] is consumer}
        for tag in mine:
            del self._unacknowledged[tag]
        self._channel.forget_consumer(consumer)
        queue.remove_consumer(consumer)
        self._outbox.append(ConsumerCancelled(self._channel, consumer.tag))
        self._requeue(mine, counts=False, is_asked=False)
