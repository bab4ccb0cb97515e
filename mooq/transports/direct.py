"""Direct connections to the in-memory broker: function calls instead of a socket.

A refused request leaves the channel open. RabbitMQ would close it, but mooq sends requests on a
separate control channel there, so users see the same behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from mooq.broker.broker import Broker as Rules
from mooq.broker.broker import Connection as RulesConnection
from mooq.broker.channel import Channel as RulesChannel
from mooq.broker.effects import (
    ChannelClosed,
    ConnectionClosed,
    ConsumerCancelled,
    Delivered,
    Effect,
    Returned,
)
from mooq.broker.outbox import dispatch_effects
from mooq.broker.refusals import Refusal
from mooq.errors import Refused
from mooq.transports.broker_messages import ClientProperties, message_of, wire_arguments
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.message import ACKNOWLEDGED, DIRECT_REPLY_TO, Delivery, Message, Outcome

DELIVERIES_BITS = 48  # of a delivery tag; the bits above number the channels


class DirectBroker:
    """The in-memory broker, with mooq's own connections."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._channels_opened = count(1)

    def first_tag(self) -> int:
        """Return a number above the delivery tags of every channel opened before.

        So a callback that outlives its connection cannot settle a delivery of a later channel.
        """
        return next(self._channels_opened) << DELIVERIES_BITS

    def connect(
        self, virtual_host: str, username: str, password: str, dropped: Callable[[], None]
    ) -> DirectConnection:
        """Return a connection for a known user; ``dropped`` is called if the broker closes it.

        Raises :class:`Refused` with ACCESS_REFUSED or NOT_ALLOWED.
        """
        try:
            rules = self.rules.connect(virtual_host, username, password)
        except Refusal as refusal:
            raise Refused(refusal.code, refusal.text) from refusal
        return DirectConnection(rules, dropped, self.first_tag)

    def drop_connections(self) -> None:
        """Drop every connection, like a network failure."""
        self.rules.drop_connections()
        dispatch_effects(self.rules)

    def restart(self) -> None:
        """Close every connection, and keep durable exchanges, queues and messages."""
        self.rules.restart()
        dispatch_effects(self.rules)


class DirectConnection:
    """A connection; ``dropped`` is called when the broker closes it."""

    def __init__(
        self,
        rules: RulesConnection,
        dropped: Callable[[], None],
        first_tag: Callable[[], int] = lambda: 0,
    ) -> None:
        self.rules = rules
        self.dropped = dropped
        self._first_tag = first_tag
        self._numbers = 1  # on RabbitMQ, the control channel is the first one
        rules.effect_handler = self

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self.rules.is_open

    def handle(self, effect: Effect) -> None:
        """Handle what the broker did to the connection."""
        if isinstance(effect, ConnectionClosed):
            self.dropped()

    def channel(self) -> DirectChannel:
        """Open a channel."""
        self._numbers += 1
        rules = self.rules.channel(self._numbers)
        rules.deliveries.last_tag = self._first_tag()
        return DirectChannel(rules)

    def close(self) -> None:
        """Close it with its channels."""
        if self.rules.is_open:
            self.rules.close()
            dispatch_effects(self.rules.broker)


class DirectChannel:
    """A channel; ``on_closed`` is called when the broker closes it."""

    def __init__(self, rules: RulesChannel) -> None:
        self.rules = rules
        self.on_closed: Callable[[Refused], None] = lambda _: None
        self._outbox = rules.connection.broker.outbox
        self._broker = rules.connection.broker
        self._consumers: dict[str, tuple[Callable[[Delivery], None], Callable[[], None]]] = {}
        self._returned = False
        rules.effect_handler = self

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self.rules.is_open

    def handle(self, effect: Effect) -> None:
        """Pass on what the broker sends to the channel."""
        kind = type(effect)
        if kind is Delivered:
            delivered: Any = effect
            consumer = self._consumers.get(delivered.consumer_tag)
            if consumer is not None:
                message = delivered.message
                properties = message.properties
                if type(properties) is ClientProperties:
                    message = properties.original
                else:
                    message = message_of(message)
                consumer[0](Delivery(message, delivered.redelivered, delivered.delivery_tag))
        elif isinstance(effect, ConsumerCancelled):
            consumer = self._consumers.pop(effect.consumer_tag, None)
            if consumer is not None:
                consumer[1]()
        elif isinstance(effect, Returned):
            self._returned = True
        elif isinstance(effect, ChannelClosed):
            self.on_closed(Refused(effect.refusal.code, effect.refusal.text))

    def _ask(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return verb(*args, **kwargs)
        except Refusal as refusal:
            raise Refused(refusal.code, refusal.text) from refusal
        finally:
            if self._outbox:
                dispatch_effects(self._broker)

    def declare_exchange(self, exchange: Exchange) -> None:
        """Declare an exchange."""
        self._ask(
            self.rules.exchange_declare,
            exchange.name,
            exchange.type,
            passive=False,
            durable=exchange.durable,
            auto_delete=exchange.auto_delete,
            internal=exchange.internal,
            arguments=wire_arguments(exchange.arguments),
        )

    def has_exchange(self, name: str) -> bool:
        """Return whether an exchange exists; the default exchange always does."""
        return not name or name in self.rules.connection.host.exchanges

    def declare_queue(self, queue: Queue) -> str:
        """Declare a queue; return its name."""
        declared = self._ask(
            self.rules.queue_declare,
            queue.name,
            passive=False,
            durable=queue.durable,
            exclusive=queue.exclusive,
            auto_delete=queue.auto_delete,
            arguments=wire_arguments(queue.arguments),
        )
        return str(declared.name)

    def delete_queue(self, name: str) -> None:
        """Delete a queue, if it exists."""
        self._ask(self.rules.queue_delete, name, if_unused=False, if_empty=False)

    def count_ready(self, name: str) -> int | None:
        """Return the number of ready messages in a queue; None if the queue does not exist."""
        host = self.rules.connection.host
        if name not in host.queues:
            return None
        return len(self._ask(host.queue, name, self.rules.connection))

    def bind(
        self,
        queue_name: str,
        exchange_name: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Bind a queue to an exchange, with a key or with arguments."""
        table = wire_arguments(arguments or {})
        self._ask(self.rules.queue_bind, queue_name, exchange_name, routing_key, table)

    def publish(self, message: Message, mandatory: bool) -> None:
        """Publish a message. It is confirmed when this returns."""
        try:
            self.rules.basic_publish(
                message.exchange,
                message.routing_key,
                mandatory,
                False,
                ClientProperties(message),
                message.body,
            )
        except Refusal as refusal:
            raise Refused(refusal.code, refusal.text) from refusal
        if self._outbox:
            dispatch_effects(self._broker)
            if self._returned:
                self._returned = False
                raise Refused(Refused.NO_ROUTE, "NO_ROUTE")

    def consume(
        self,
        queue_name: str,
        prefetch_count: int,
        deliver: Callable[[Delivery], None],
        cancelled: Callable[[], None],
    ) -> str:
        """Start a consumer; return its tag."""
        self.rules.basic_qos(0, prefetch_count, False)
        try:
            tag = self.rules.basic_consume(
                queue_name, "", no_local=False, no_ack=False, exclusive=False, arguments={}
            )
        except Refusal as refusal:
            raise Refused(refusal.code, refusal.text) from refusal
        self._consumers[tag] = deliver, cancelled
        dispatch_effects(self._broker)
        return tag

    def hear_replies(self, deliver: Callable[[Delivery], None]) -> None:
        """Start the consumer of direct reply-to."""
        tag = self._ask(
            self.rules.basic_consume,
            DIRECT_REPLY_TO,
            "",
            no_local=False,
            no_ack=True,
            exclusive=False,
            arguments={},
        )
        self._consumers[tag] = deliver, lambda: None

    def cancel(self, tag: str) -> None:
        """Cancel a consumer, and delete an auto-delete queue with its last one. May be repeated."""
        self._consumers.pop(tag, None)
        self._ask(self.rules.basic_cancel, tag)

    def get(self, queue_name: str) -> Delivery | None:
        """Get one message; None if the queue is empty."""
        got = self._ask(self.rules.basic_get, queue_name, False)
        if got is None:
            return None
        return Delivery(message_of(got.message), got.redelivered, got.delivery_tag)

    def settle(self, tag: int, outcome: Outcome) -> None:
        """Settle a delivery. If it is already settled, do nothing."""
        rules = self.rules
        if outcome is Outcome.ACKNOWLEDGE or outcome in ACKNOWLEDGED:
            rules.acknowledge_one(tag)
        elif not rules.holds(tag):
            return
        elif outcome is Outcome.RELEASE:
            rules.basic_nack(tag, False, True)
        else:
            rules.basic_reject(tag, outcome is Outcome.REQUEUE)
        if self._outbox:
            dispatch_effects(self._broker)

    def holds(self, tag: int) -> bool:
        """Return whether a delivery is not settled."""
        return self.rules.holds(tag)

    def close(self) -> None:
        """Cancel all consumers, and requeue the channel's unsettled messages."""
        self._consumers.clear()
        self.rules.close()
        dispatch_effects(self._broker)
