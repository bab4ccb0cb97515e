"""Channels: AMQP's methods, consumers, prefetch, confirms and transactions."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, NamedTuple

from mooq.broker import arguments as argument_rules
from mooq.broker import conditions, refusals, reply_to
from mooq.broker.consumers import Consumer
from mooq.broker.declarations import Declarations
from mooq.broker.deliveries import Deliveries, dead_letter_over_limit, put_back
from mooq.broker.message import Message, Properties
from mooq.broker.permissions import READ
from mooq.broker.publisher import Publisher
from mooq.broker.queue import Queue
from mooq.broker.transactions import Transaction
from mooq.broker.values import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mooq.broker.broker import Connection
    from mooq.broker.ready import QueuedMessage


class GetOk(NamedTuple):
    """The reply to basic.get."""

    delivery_tag: int
    redelivered: bool
    message: Message
    message_count: int


class Channel(Declarations):
    """A channel of a connection. ``effect_handler`` receives its effects."""

    def __init__(self, connection: Connection, number: int) -> None:
        super().__init__(connection)
        self.number = number
        self.effect_handler: Any = None
        self.is_open: bool = True
        self._outbox = connection.broker.outbox
        self._consumers: dict[str, tuple[Queue, Consumer]] = {}
        self._prefetch = 0
        self.transaction: Transaction | None = None
        self.reply_name: str = ""
        self._reply_tag = ""
        deliveries = Deliveries(self)
        self.deliveries: Deliveries = deliveries
        self._publisher = publisher = Publisher(self)
        # Not wrapped in methods, because they are called for each message.
        self.deliver: Callable[[Queue, QueuedMessage, Consumer], None] = deliveries.deliver
        self.basic_publish: Callable[[str, str, bool, bool, Properties, bytes], None] = (
            publisher.publish
        )
        self.basic_ack: Callable[[int, bool], None] = deliveries.acknowledge
        self.basic_nack: Callable[[int, bool, bool], None] = deliveries.nack
        self.basic_reject: Callable[[int, bool], None] = deliveries.reject
        self.basic_recover: Callable[[bool], None] = deliveries.recover
        self.acknowledge_one: Callable[[int], bool] = deliveries.acknowledge_one
        self.holds: Callable[[int], bool] = deliveries.holds

    @property
    def is_paused(self) -> bool:
        """Whether the client is not reading."""
        return self.connection.is_paused

    # Consumers

    def basic_qos(self, prefetch_size: int, prefetch_count: int, is_global: bool) -> None:
        """Limit unacknowledged deliveries, of each later consumer or of the channel."""
        if prefetch_size:
            raise refusals.not_implemented(f"prefetch_size!=0 ({prefetch_size})")
        if is_global and self._broker.version_rules.has_global_prefetch:
            self.deliveries.limit_globally(prefetch_count)
        else:
            self._prefetch = prefetch_count
            if self.deliveries.global_limit:
                self.deliveries.limit_globally(0)

    def basic_consume(
        self,
        queue: str,
        consumer_tag: str,
        *,
        no_local: bool,
        no_ack: bool,
        exclusive: bool,
        arguments: Table,
    ) -> str:
        """Start a consumer; return its tag. ``no_local`` has no effect, as in RabbitMQ."""
        name = self._named(queue)
        if consumer_tag and consumer_tag in self._consumers:
            raise refusals.tag_in_use(consumer_tag)
        tag = consumer_tag or f"amq.ctag-{token_urlsafe(16)}"
        if name == reply_to.NAME:
            reply_to.check_consumer(no_ack, bool(self.reply_name))
            self.reply_name, self._reply_tag = self._host.replies.begin(self), tag
            return tag
        self._check(READ, "queue", name)
        found = self._host.queue(name, self.connection)
        broker = self.connection.broker
        version = broker.version_rules
        argument_rules.check_consumer_arguments(
            arguments, found.type, name, self._host.name, version
        )
        conditions.check_consumer(
            found,
            self._host.name,
            exclusive=exclusive,
            has_limit=bool(self.deliveries.global_limit),
        )
        consumer = Consumer(
            self,
            tag,
            no_ack=no_ack,
            exclusive=exclusive,
            limit=0 if no_ack else self._prefetch,
            priority=int(arguments.get("x-priority", 0)),
            timeout=argument_rules.consumer_timeout(
                arguments, found.arguments, found.type, broker.consumer_timeout, version
            ),
        )
        self._consumers[tag] = found, consumer
        found.add_consumer(consumer)
        return tag

    def basic_cancel(self, consumer_tag: str) -> None:
        """Cancel a consumer; its deliveries stay unacknowledged."""
        if consumer_tag and consumer_tag == self._reply_tag:
            self._end_replies()
        elif consumer_tag in self._consumers:
            queue, consumer = self._consumers.pop(consumer_tag)
            queue.remove_consumer(consumer)

    def forget_consumer(self, consumer: Consumer) -> None:
        """Remove a consumer whose queue was deleted."""
        self._consumers.pop(consumer.tag, None)

    def _end_replies(self) -> None:
        self._host.replies.end(self.reply_name)
        self.reply_name = self._reply_tag = ""

    def basic_get(self, queue: str, no_ack: bool) -> GetOk | None:
        """Get one message; None if the queue is empty."""
        name = self._named(queue)
        self._check(READ, "queue", name)
        found = self._host.queue(name, self.connection)
        conditions.check_get(found, self._host.name, self._broker.version_rules)
        queued = found.take()
        if queued is None:
            return None
        message = queued.message if found.is_classic else found.as_delivered(queued, is_got=True)
        tag = self.deliveries.take(found, queued, no_ack)
        return GetOk(tag, queued.redelivered, message, len(found))

    def deliver_reply(self, message: Message) -> None:
        """Deliver a reply to the channel's reply consumer."""
        self.deliveries.deliver_reply(self._reply_tag, message)

    def wake_consumers(self) -> None:
        """Resume delivery to the channel's consumers below their limits, those that left first."""
        in_order = sorted(self._consumers.values(), key=lambda one: one[1].left_as)
        free = [(queue, consumer) for queue, consumer in in_order if consumer.has_room]
        for queue, consumer in free:
            queue.consumers.rejoin(consumer)
        for queue in dict.fromkeys(queue for queue, _ in free):
            queue.resume()

    # Confirms and transactions

    def confirm_select(self) -> None:
        """Turn publisher confirms on."""
        if self.transaction is not None:
            raise refusals.failed("cannot switch from tx to confirm mode")
        self._publisher.confirms = True

    def tx_select(self) -> None:
        """Turn transactions on."""
        if self._publisher.confirms:
            raise refusals.failed("cannot switch from confirm to tx mode")
        if self.transaction is None:
            self.transaction = Transaction()

    def tx_commit(self) -> None:
        """Carry out the publishes and settlements since the last commit."""
        transaction, publisher = self._transactional(), self._publisher
        if not transaction.commit(
            publisher.find_again, publisher.put, self.deliveries.acknowledge_all
        ):
            raise refusals.failed("partial tx completion")

    def tx_rollback(self) -> None:
        """Discard the publishes and settlements since the last commit."""
        self.deliveries.restore(self._transactional().roll_back())

    def _transactional(self) -> Transaction:
        if self.transaction is None:
            raise refusals.failed("channel is not transactional")
        return self.transaction

    def channel_flow(self, active: bool) -> None:
        """Refuse to pause deliveries, which RabbitMQ does not implement."""
        if not active:
            raise refusals.not_implemented("active=false")

    # Closing

    def successor(self, consumer: Consumer, queue: Queue) -> Consumer | None:
        """Return the consumer of the same queue that reuses the tag of an ended one, if any."""
        found = self._consumers.get(consumer.tag)
        return None if found is None or found[0] is not queue else found[1]

    def stop_consuming(self) -> None:
        """Stop deliveries to its consumers."""
        for queue, consumer in self._consumers.values():
            if consumer.is_active:
                queue.consumers.remove(consumer)

    def close(self) -> None:
        """Cancel all consumers, and requeue the unacknowledged messages."""
        if not self.is_open:
            return
        self.is_open = False
        self.connection.forget(self)
        if self.transaction is not None:
            self.deliveries.restore(self.transaction.roll_back())
        if self.reply_name:
            self._end_replies()
        held = self.deliveries.take_all()
        self.stop_consuming()
        consumers, self._consumers = self._consumers, {}
        over = put_back(held.values(), counts=True, is_asked=False)
        queues = dict.fromkeys(queue for queue, _ in consumers.values())
        for queue in queues:
            if queue.auto_delete and not queue.consumers.all and not queue.is_deleted:
                self._host.delete_queue(queue)
            else:
                queue.use()
        for queue in queues | dict.fromkeys(queue for _, queue, _, _ in held.values()):
            queue.resume()
        dead_letter_over_limit(over)
