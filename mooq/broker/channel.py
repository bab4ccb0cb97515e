"""One channel: AMQP's verbs, delivery tags, what is unacknowledged, prefetch and confirms."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, NamedTuple

from mooq.broker import refusals, reply_to
from mooq.broker.consumers import Consumer
from mooq.broker.effects import ChannelClosed, Confirmed, ConsumerCancelled, Delivered, Returned
from mooq.broker.message import (
    HAS_EXPIRATION,
    HAS_HEADERS,
    HAS_REPLY_TO,
    HAS_USER_ID,
    Message,
    Properties,
)
from mooq.broker.permissions import CONFIGURE, READ, WRITE
from mooq.broker.queue import Queue
from mooq.broker.ready import QueuedMessage
from mooq.broker.routing import with_copies
from mooq.broker.transactions import Transaction
from mooq.broker.values import INTEGER_TYPES, Table, type_name

if TYPE_CHECKING:
    from mooq.broker.broker import Connection

NO_ROUTE = 312
LONGEST_EXPIRATION = 4_294_967_295  # milliseconds
SPECIAL = HAS_EXPIRATION | HAS_HEADERS | HAS_REPLY_TO | HAS_USER_ID
"""Property flags that a publish must look at."""


class DeclareOk(NamedTuple):
    """The answer to queue.declare."""

    name: str
    message_count: int
    consumer_count: int


class GetOk(NamedTuple):
    """The answer to basic.get."""

    delivery_tag: int
    redelivered: bool
    message: Message
    message_count: int


class Unacknowledged(NamedTuple):
    """A delivery that is not settled; without a consumer it was taken by a get."""

    queued: QueuedMessage
    queue: Queue
    consumer: Consumer | None
    since: float


class Channel:
    """One channel of a connection. ``door`` is for whoever hands on its effects."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.door: Any = None
        self.is_open = True
        self.global_limit = 0
        self.global_unsettled = 0
        self._broker = connection.broker
        self._host = connection.host
        self._outbox = connection.broker.outbox
        self._consumers: dict[str, tuple[Queue, Consumer]] = {}
        self._unacknowledged: dict[int, Unacknowledged] = {}
        self._last_tag = 0
        self._prefetch = 0
        self._confirms = False
        self._published = 0
        self._transaction: Transaction | None = None
        self._last_queue = ""
        self._reply_name = ""
        self._reply_tag = ""

    @property
    def is_paused(self) -> bool:
        """Whether the client does not read."""
        return self.connection.is_paused

    # Exchanges

    def exchange_declare(
        self,
        name: str,
        type_: str,
        *,
        passive: bool,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
    ) -> None:
        """Declare an exchange."""
        if not name:
            raise refusals.default_exchange()
        name = name.replace("\r", "").replace("\n", "")
        if passive:
            self._host.exchange(name)
            return
        self._check(CONFIGURE, "exchange", name)
        self._host.declare_exchange(
            name,
            type_,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            arguments=arguments,
        )

    def exchange_delete(self, name: str, *, if_unused: bool) -> None:
        """Delete an exchange."""
        if not name:
            raise refusals.default_exchange()
        self._check(CONFIGURE, "exchange", name)
        self._host.delete_exchange(name, if_unused=if_unused)

    def exchange_bind(
        self, destination: str, source: str, routing_key: str, arguments: Table
    ) -> None:
        """Bind an exchange to an exchange."""
        self._check_binding("exchange", destination, source)
        self._host.exchange(source)
        target = self._host.exchange(destination)
        self._host.bind(source, target, routing_key, arguments)

    def exchange_unbind(
        self, destination: str, source: str, routing_key: str, arguments: Table
    ) -> None:
        """Remove a binding between exchanges."""
        self._check_binding("exchange", destination, source)
        self._host.exchange(source)
        target = self._host.exchange(destination)
        self._host.unbind(source, target, routing_key, arguments)

    def _check_binding(self, kind: str, destination: str, source: str) -> None:
        if not source or (kind == "exchange" and not destination):
            raise refusals.default_exchange()
        self._check(WRITE, kind, destination)
        self._check(READ, "exchange", source)

    def _check(self, permission: int, kind: str, name: str) -> None:
        self.connection.permissions.check(permission, kind, name)

    # Queues

    def _named(self, name: str) -> str:
        """Return a queue's name; ``""`` is the one that the channel declared last."""
        if name:
            return name
        if not self._last_queue:
            raise refusals.no_declared_queue()
        return self._last_queue

    def queue_declare(
        self,
        name: str,
        *,
        passive: bool,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Table,
    ) -> DeclareOk:
        """Declare a queue."""
        host = self._host
        if reply_to.is_name(name):
            if not host.replies.knows(name):
                raise refusals.no_queue(name, host.name)
            self._last_queue = name
            return DeclareOk(name, 0, 1)
        if passive:
            queue = host.queue(self._named(name), self.connection)
            queue.use()
        else:
            if name.startswith("amq."):
                raise refusals.reserved_name("queue", name)
            self._check(CONFIGURE, "queue", name)
            queue = host.declare_queue(
                name,
                self.connection,
                durable=durable,
                exclusive=exclusive,
                auto_delete=auto_delete,
                arguments=arguments,
            )
        self._last_queue = queue.name
        return DeclareOk(queue.name, len(queue), len(queue.consumers))

    def queue_bind(self, queue: str, exchange: str, routing_key: str, arguments: Table) -> None:
        """Bind a queue to an exchange."""
        name = self._named(queue)
        if not queue and not routing_key:
            routing_key = name
        self._check_binding("queue", name, exchange)
        self._host.exchange(exchange)
        target = self._host.queue(name, self.connection)
        self._host.bind(exchange, target, routing_key, arguments)

    def queue_unbind(self, queue: str, exchange: str, routing_key: str, arguments: Table) -> None:
        """Remove a binding of a queue."""
        name = self._named(queue)
        if not queue and not routing_key:
            routing_key = name
        self._check_binding("queue", name, exchange)
        self._host.exchange(exchange)
        target = self._host.queue(name, self.connection)
        self._host.unbind(exchange, target, routing_key, arguments)

    def queue_purge(self, queue: str) -> int:
        """Empty a queue of what is ready; return how much it was."""
        name = self._named(queue)
        self._check(READ, "queue", name)
        return self._host.queue(name, self.connection).purge()

    def queue_delete(self, queue: str, *, if_unused: bool, if_empty: bool) -> int:
        """Delete a queue; return how many messages were ready."""
        name = self._named(queue)
        self._check(CONFIGURE, "queue", name)
        if name not in self._host.queues:
            return 0
        found = self._host.queue(name, self.connection)
        if if_unused and len(found.consumers):
            raise refusals.in_use("queue", name, self._host.name)
        if if_empty and len(found):
            raise refusals.not_empty(name, self._host.name)
        return self._host.delete_queue(found)

    # Consumers

    def basic_qos(self, prefetch_size: int, prefetch_count: int, is_global: bool) -> None:
        """Limit what is unacknowledged: of each consumer to come, or of the channel."""
        if prefetch_size:
            raise refusals.not_implemented(f"prefetch_size!=0 ({prefetch_size})")
        if is_global and self._broker.version_rules.has_global_prefetch:
            self.global_limit = prefetch_count
            self.wake_consumers()
        else:
            self._prefetch = prefetch_count

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
        """Begin a consumer; return its tag. ``no_local`` has no effect, as in RabbitMQ."""
        name = self._named(queue)
        if consumer_tag and (consumer_tag in self._consumers or consumer_tag == self._reply_tag):
            raise refusals.tag_in_use(consumer_tag)
        tag = consumer_tag or f"amq.ctag-{token_urlsafe(16)}"
        if name == reply_to.NAME:
            reply_to.check_consumer(no_ack, bool(self._reply_name))
            self._reply_name, self._reply_tag = self._host.replies.begin(self), tag
            return tag
        self._check(READ, "queue", name)
        found = self._host.queue(name, self.connection)
        if found.consumers.is_exclusive or (exclusive and len(found.consumers)):
            raise refusals.exclusive_use(name, self._host.name)
        consumer = Consumer(
            self,
            tag,
            no_ack=no_ack,
            exclusive=exclusive,
            limit=0 if no_ack else self._prefetch,
            priority=_priority(arguments, name, self._host.name),
        )
        self._consumers[tag] = found, consumer
        found.add_consumer(consumer)
        return tag

    def basic_cancel(self, consumer_tag: str) -> None:
        """End a consumer; what it holds stays unacknowledged."""
        if consumer_tag and consumer_tag == self._reply_tag:
            self._end_replies()
        elif consumer_tag in self._consumers:
            queue, consumer = self._consumers.pop(consumer_tag)
            queue.remove_consumer(consumer)

    def forget_consumer(self, consumer: Consumer) -> None:
        """Forget a consumer whose queue is deleted."""
        self._consumers.pop(consumer.tag, None)

    def _end_replies(self) -> None:
        self._host.replies.end(self._reply_name)
        self._reply_name = self._reply_tag = ""

    # Deliveries

    def deliver(self, queue: Queue, queued: QueuedMessage, consumer: Consumer) -> None:
        """Send a message to a consumer."""
        self._last_tag = tag = self._last_tag + 1
        if not consumer.no_ack:
            self.global_unsettled += 1
            self._hold(tag, Unacknowledged(queued, queue, consumer, self._broker.now))
        self._outbox.append(
            Delivered(self, consumer.tag, tag, queued.redelivered, queue.as_delivered(queued))
        )

    def deliver_reply(self, message: Message) -> None:
        """Send a reply to the channel's consumer of replies."""
        self._last_tag += 1
        self._outbox.append(Delivered(self, self._reply_tag, self._last_tag, False, message))

    def _hold(self, tag: int, delivery: Unacknowledged) -> None:
        timeout = self._broker.consumer_timeout
        if timeout is not None and not self._unacknowledged:
            self._broker.schedule(delivery.since + timeout, self)
        self._unacknowledged[tag] = delivery

    def basic_get(self, queue: str, no_ack: bool) -> GetOk | None:
        """Take one message; None when there is none."""
        name = self._named(queue)
        self._check(READ, "queue", name)
        found = self._host.queue(name, self.connection)
        queued = found.take()
        if queued is None:
            return None
        self._last_tag = tag = self._last_tag + 1
        message = found.as_delivered(queued)
        if no_ack:
            found.acknowledge(queued)
        else:
            self._hold(tag, Unacknowledged(queued, found, None, self._broker.now))
        return GetOk(tag, queued.redelivered, message, len(found))

    # Settlement

    def basic_ack(self, delivery_tag: int, multiple: bool) -> None:
        """Acknowledge."""
        taken = self._take(delivery_tag, multiple)
        self._settle(taken, partial(self._acknowledge, taken))

    def basic_nack(self, delivery_tag: int, multiple: bool, requeue: bool) -> None:
        """Requeue, or reject as dead letters."""
        taken = self._take(delivery_tag, multiple)
        self._settle(taken, partial(self._requeue if requeue else self._reject, taken))

    def basic_reject(self, delivery_tag: int, requeue: bool) -> None:
        """Requeue, or reject as a dead letter."""
        self.basic_nack(delivery_tag, False, requeue)

    def basic_recover(self, requeue: bool) -> None:
        """Requeue everything that is unacknowledged."""
        if not requeue:
            raise refusals.not_implemented("requeue=false")
        taken, self._unacknowledged = self._unacknowledged, {}
        self._requeue(taken)

    def _take(self, tag: int, multiple: bool) -> dict[int, Unacknowledged]:
        held = self._unacknowledged
        if multiple:
            if tag == 0:
                self._unacknowledged = {}
                return held
            taken = {}
            for one in held:
                if one > tag:
                    break
                taken[one] = held[one]
            if not taken:
                raise refusals.unknown_delivery_tag(tag)
            for one in taken:
                del held[one]
            return taken
        delivery = held.pop(tag, None)
        if delivery is None:
            raise refusals.unknown_delivery_tag(tag)
        return {tag: delivery}

    def _settle(self, taken: dict[int, Unacknowledged], settle: partial[None]) -> None:
        if self._transaction is None:
            settle()
        else:
            self._transaction.settle(taken, settle)

    def _acknowledge(self, taken: dict[int, Unacknowledged]) -> None:
        for one in taken.values():
            one.queue.acknowledge(one.queued)
        self._release(taken.values())

    def _reject(self, taken: dict[int, Unacknowledged]) -> None:
        for one in taken.values():
            one.queue.reject(one.queued)
        self._release(taken.values())

    def _requeue(self, taken: dict[int, Unacknowledged]) -> None:
        for one in taken.values():
            one.queue.requeue([one.queued])
        self._release(taken.values())

    def _release(self, deliveries: Iterable[Unacknowledged]) -> None:
        """Give consumers room again, and let their queues go on."""
        queues: dict[Queue, None] = {}
        for one in deliveries:
            queues[one.queue] = None
            consumer = one.consumer
            if consumer is not None:
                consumer.unsettled -= 1
                self.global_unsettled -= 1
                if consumer.is_waiting:
                    one.queue.consumers.rejoin(consumer)
        if self.global_limit:
            self.wake_consumers()
        for queue in queues:
            queue.settle_down()

    def wake_consumers(self) -> None:
        """Let the channel's consumers stand in line again if they have room."""
        for queue, consumer in list(self._consumers.values()):
            if consumer.has_room:
                queue.consumers.rejoin(consumer)
                queue.settle_down()

    # Publishing

    def basic_publish(
        self,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        immediate: bool,
        properties: Properties,
        body: bytes,
    ) -> None:
        """Publish a message; with confirms on, the effect says what became of it."""
        if immediate:
            raise refusals.not_implemented("immediate=true")
        message = Message(body, exchange, routing_key, properties)
        self._check_publish(message)
        if properties.flags & SPECIAL:
            message = self._prepared(message)
        if not exchange and reply_to.is_name(routing_key):
            self._reply(message, mandatory)
            return
        queues = self._host.route(message)
        if self._transaction is not None:
            self._transaction.publish(message, queues, mandatory)
        else:
            self._put(message, queues, mandatory)

    def _check_publish(self, message: Message) -> None:
        name = message.exchange
        if name:
            exchange = self._host.exchange(name)
            if exchange.internal:
                raise refusals.internal_exchange(name, self._host.name)
        if self.connection.permissions.are_limited:
            self._check(WRITE, "exchange", name or "amq.default")
        if len(message.body) > self._broker.max_message_size:
            raise refusals.message_too_large(len(message.body), self._broker.max_message_size)

    def _prepared(self, message: Message) -> Message:
        """Check properties that mean something to the broker, and do what they ask for."""
        properties = message.properties
        flags = properties.flags
        if flags & HAS_USER_ID and properties.user_id != self.connection.user:
            raise refusals.failed(
                f"user_id property set to '{properties.user_id}' but authenticated user was "
                f"'{self.connection.user}'"
            )
        if flags & HAS_EXPIRATION:
            _check_expiration(properties.expiration or "")
        if flags & HAS_REPLY_TO and properties.reply_to == reply_to.NAME:
            if not self._reply_name:
                raise refusals.failed("fast reply consumer does not exist")
            message = Message(
                message.body,
                message.exchange,
                message.routing_key,
                properties.replace(reply_to=self._reply_name),
            )
        return with_copies(message)

    def _reply(self, message: Message, mandatory: bool) -> None:
        if not self._host.replies.deliver(message) and mandatory:
            self._outbox.append(Returned(self, NO_ROUTE, "NO_ROUTE", message))
        self._confirm(True)

    def _put(self, message: Message, queues: list[Queue], mandatory: bool) -> None:
        is_taken = True
        for queue in queues:
            if not queue.publish(message):
                is_taken = False
        if mandatory and not queues:
            self._outbox.append(Returned(self, NO_ROUTE, "NO_ROUTE", message))
        if self._confirms:
            self._confirm(is_taken)

    def _confirm(self, is_ack: bool) -> None:
        if self._confirms:
            self._published += 1
            self._outbox.append(Confirmed(self, self._published, False, is_ack))

    def confirm_select(self) -> None:
        """Turn publisher confirms on."""
        if self._transaction is not None:
            raise refusals.failed("cannot switch from tx to confirm mode")
        self._confirms = True

    def tx_select(self) -> None:
        """Turn transactions on."""
        if self._confirms:
            raise refusals.failed("cannot switch from confirm to tx mode")
        if self._transaction is None:
            self._transaction = Transaction()

    def tx_commit(self) -> None:
        """Do what was published and settled since the last commit."""
        self._transactional().commit(self._put)

    def tx_rollback(self) -> None:
        """Forget what was published, and take settlements back."""
        again = self._transactional().roll_back() | self._unacknowledged
        self._unacknowledged = dict(sorted(again.items()))

    def _transactional(self) -> Transaction:
        if self._transaction is None:
            raise refusals.failed("channel is not transactional")
        return self._transaction

    def channel_flow(self, active: bool) -> None:
        """Answer a client that asks for deliveries to pause, which RabbitMQ does not implement."""
        if not active:
            raise refusals.not_implemented("active=false")

    # The end

    def advance(self, now: float) -> None:
        """End the channel if a delivery has been unacknowledged for too long."""
        timeout = self._broker.consumer_timeout
        if timeout is None or not self.is_open or not self._unacknowledged:
            return
        oldest = next(iter(self._unacknowledged.values()))
        if oldest.since + timeout > now:
            self._broker.schedule(oldest.since + timeout, self)
        elif self._broker.version_rules.times_out_classic:
            self.close()
            refusal = refusals.consumer_timeout(self.number, timeout)
            self._outbox.append(ChannelClosed(self, refusal))
        elif oldest.queue.type == "quorum" and oldest.consumer is not None:
            self._cut_off(oldest.queue, oldest.consumer)

    def _cut_off(self, queue: Queue, consumer: Consumer) -> None:
        """End a consumer that was too late, and requeue what it holds."""
        mine = {tag: one for tag, one in self._unacknowledged.items() if one.consumer is consumer}
        for tag in mine:
            del self._unacknowledged[tag]
        self._consumers.pop(consumer.tag, None)
        queue.remove_consumer(consumer)
        self._outbox.append(ConsumerCancelled(self, consumer.tag))
        self._requeue(mine)

    def close(self) -> None:
        """End all consumers, and requeue what is unacknowledged."""
        if not self.is_open:
            return
        self.is_open = False
        self.connection.forget(self)
        if self._transaction is not None:
            self._unacknowledged = self._transaction.roll_back() | self._unacknowledged
        if self._reply_name:
            self._end_replies()
        held, self._unacknowledged = self._unacknowledged, {}
        consumers, self._consumers = self._consumers, {}
        for queue, consumer in consumers.values():
            queue.consumers.remove(consumer)
        for one in held.values():
            one.queue.requeue([one.queued])
        queues = dict.fromkeys(queue for queue, _ in consumers.values())
        for queue in queues:
            if queue.auto_delete and not queue.consumers.all and not queue.is_deleted:
                self._host.delete_queue(queue)
            else:
                queue.use()
        for queue in queues | dict.fromkeys(one.queue for one in held.values()):
            queue.settle_down()


def _check_expiration(text: str) -> None:
    if not text.isascii() or not text.lstrip("-").isdigit():
        raise refusals.failed(f"invalid expiration '{text}': no_integer")
    number = int(text)
    if number < 0:
        raise refusals.failed(f"invalid expiration '{text}': {{value_negative,{number}}}")
    if number > LONGEST_EXPIRATION:
        raise refusals.failed(f"invalid expiration '{text}': {{value_too_big,{number}}}")


def _priority(arguments: Table, queue_name: str, virtual_host: str) -> int:
    if "x-priority" not in arguments:
        return 0
    value = arguments["x-priority"]
    kind = type_name(value)
    if kind not in INTEGER_TYPES:
        raise refusals.invalid_argument(
            "x-priority", "queue", queue_name, virtual_host, f'"expected integer, got {kind}"'
        )
    return int(value)
