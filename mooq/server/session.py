"""AMQP sessions: turn a client's requests into broker calls, and effects into frames."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any

from mooq.amqp import methods
from mooq.amqp.connection import ServerConnection
from mooq.amqp.contents import Channel as WireChannel
from mooq.amqp.frames import confirm_frame
from mooq.amqp.methods import Method, Values
from mooq.amqp.properties import WireProperties
from mooq.amqp.tables import encode_short_string
from mooq.amqp.versions import VERSIONS
from mooq.broker import effects, refusals
from mooq.broker.effects import Effect
from mooq.broker.outbox import dispatch_returns
from mooq.server.requests import REQUESTS

if TYPE_CHECKING:
    from mooq.broker.broker import Broker, Connection
    from mooq.broker.channel import Channel
    from mooq.server.driver import BrokerDriver

LOGGER = logging.getLogger("mooq.server")

_TAG = Struct(">QB")
_COUNT = Struct(">I")
_REMEMBERED = 512  # cached encodings of routes and of consumer tags


class ChannelSession:
    """A channel of a session: encodes its effects as frames.

    Confirms of consecutive messages are sent as one frame, in the position of the first.
    """

    __slots__ = ("_early", "_first", "_heads", "_last", "_session", "_slot", "wire")

    def __init__(self, session: Session, wire: WireChannel) -> None:
        self._session = session
        self.wire: WireChannel = wire
        self._heads: dict[str, bytes] = {}
        self._slot: int | None = None  # the pending confirm's position in the output
        self._first = 0
        self._last = 0  # every message up to this one is confirmed
        self._early: set[int] = set()

    def handle(self, effect: Effect) -> None:
        """Send an effect to the client, or keep it until the client is reading."""
        self._session.handle(effect, self)

    def deliver(self, effect: effects.Delivered) -> None:
        """Send basic.deliver."""
        head = self._heads.get(effect.consumer_tag)
        if head is None:
            if len(self._heads) >= _REMEMBERED:
                self._heads.clear()
            head = methods.BASIC_DELIVER.ids + encode_short_string(effect.consumer_tag)
            self._heads[effect.consumer_tag] = head
        message = effect.message
        payload = (
            head
            + _TAG.pack(effect.delivery_tag, effect.redelivered)
            + self._session.route(message.exchange, message.routing_key)
        )
        self._session.wire.output.send_message(self.wire.number, payload, message)

    def send_return(self, effect: effects.Returned) -> None:
        """Send basic.return, before the confirm of the same message."""
        message = effect.message
        payload = methods.BASIC_RETURN.encode(
            effect.code, effect.text, message.exchange, message.routing_key
        )
        self.end_run()
        self._session.wire.output.send_message(self.wire.number, payload, message)

    def confirm(self, effect: effects.Confirmed) -> None:
        """Send basic.ack or basic.nack, or extend the pending one."""
        tag, output = effect.delivery_tag, self._session.wire.output
        if effect.is_ack and not effect.multiple and tag == self._last + 1:
            if self._slot is None:
                self._slot = len(output.parts)
                self._first = tag
                output.add(b"")
                self._session.confirming.append(self)
            self._last = tag
        else:
            if not effect.is_ack:
                self.end_run()
            output.add(confirm_frame(self.wire.number, tag, effect.multiple, effect.is_ack))
            if effect.multiple:
                self._last = max(self._last, tag)
            else:
                self._early.add(tag)
        while self._early and self._last + 1 in self._early:
            self.end_run()
            self._last += 1
            self._early.discard(self._last)

    def end_run(self) -> None:
        """Encode the pending confirm, if there is one."""
        if self._slot is not None:
            last = self._last
            self._session.wire.output.parts[self._slot] = confirm_frame(
                self.wire.number, last, last > self._first, True
            )
            self._slot = None


class Session:
    """The broker's side of an AMQP connection. ``cut`` drops its TCP connection."""

    def __init__(
        self, driver: BrokerDriver, cut: Callable[[], None], now: float, enforces_heartbeats: bool
    ) -> None:
        broker = driver.broker
        self._driver = driver
        self._broker: Broker = broker
        self._cut = cut
        self._user = ""
        self._connection: Connection | None = None
        self._routes: dict[tuple[str, str], bytes] = {}
        self._waiting: deque[tuple[Effect, ChannelSession | None]] = deque()
        self.confirming: list[ChannelSession] = []
        self.is_dirty = False
        self.is_congested: bool = False
        self._is_paused = False
        self.wire: ServerConnection = ServerConnection(
            self,
            VERSIONS[broker.version],
            now=now,
            cluster_name=broker.cluster_name,
            largest_message=broker.max_message_size,
            enforces_heartbeats=enforces_heartbeats,
        )

    def log_in(self, mechanism: str, username: str, password: str | None) -> None:
        """Log in. The anonymous user needs no password, but must exist."""
        if password is None:
            password = self._broker.users.get(username, "")
        try:
            self._broker.authenticate(username, password)
        except refusals.Refusal:
            raise refusals.login_refused(mechanism) from None
        self._user = username

    def open(self, virtual_host: str) -> None:
        """Open the connection to a virtual host."""
        self._connection = self._broker.open(self._user, virtual_host)
        self._connection.effect_handler = self

    def open_channel(self, channel: WireChannel) -> None:
        """Open the broker's channel."""
        assert self._connection is not None
        channel.target = self._connection.channel(channel.number)
        channel.target.effect_handler = ChannelSession(self, channel)

    def close_channel(self, channel: WireChannel) -> None:
        """Close the broker's channel."""
        self._driver.drain()
        channel.target.close()

    def publish(
        self,
        channel: WireChannel,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        immediate: bool,
        properties: WireProperties,
        body: bytes,
    ) -> None:
        """Publish a message."""
        channel.target.basic_publish(exchange, routing_key, mandatory, immediate, properties, body)

    def publish_too_large(self, channel: WireChannel, size: int) -> None:
        """Refuse a message above the size limit."""
        raise refusals.message_too_large(size, self._broker.max_message_size)

    def ack(self, channel: WireChannel, delivery_tag: int, multiple: bool) -> None:
        """Acknowledge messages."""
        channel.target.basic_ack(delivery_tag, multiple)

    def request(self, channel: WireChannel, method: Method, values: Values) -> None:
        """Handle any other request, and send its reply after the effects of earlier ones."""
        self._driver.drain()
        target: Channel = channel.target
        if method is methods.BASIC_GET:
            self._get(channel, *values)
            return
        answer = REQUESTS[method](target, *values)
        if method is methods.TX_COMMIT:
            dispatch_returns(self._broker)  # RabbitMQ sends these before its answer
        if answer is not None:
            self.wire.output.send(channel.number, answer[0], *answer[1])

    def _get(self, channel: WireChannel, _ticket: int, queue: str, no_ack: bool) -> None:
        got = channel.target.basic_get(queue, no_ack)
        if got is None:
            self.wire.output.send(channel.number, methods.BASIC_GET_EMPTY, "")
            return
        message = got.message
        payload = (
            methods.BASIC_GET_OK.ids
            + _TAG.pack(got.delivery_tag, got.redelivered)
            + self.route(message.exchange, message.routing_key)
            + _COUNT.pack(got.message_count)
        )
        self.wire.output.send_message(channel.number, payload, message)

    def content_header_arrived(self) -> bool:
        """Return whether an alarm blocks the connection, which is starting to publish."""
        if not self._broker.has_alarm or self._connection is None:
            return False
        return self._connection.content_header_arrived()

    def close(self) -> None:
        """Close the broker's connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._driver.drain()
            try:
                connection.close()
            except Exception:
                LOGGER.exception("the in-memory broker failed to close a connection")
        self._waiting.clear()
        self._driver.changed(self)

    def route(self, exchange: str, routing_key: str) -> bytes:
        """Return the exchange and routing key, encoded as fields of a method."""
        names = (exchange, routing_key)
        route = self._routes.get(names)
        if route is None:
            if len(self._routes) >= _REMEMBERED:
                self._routes.clear()
            route = encode_short_string(exchange) + encode_short_string(routing_key)
            self._routes[names] = route
        return route

    def handle(self, effect: Effect, channel: ChannelSession | None = None) -> None:
        """Send an effect, or keep it until the client is reading."""
        if not self.is_dirty:
            self._driver.changed(self)
        if self._waiting or self.is_congested or self.wire.output.is_full:
            self._waiting.append((effect, channel))
            self._hold()
        else:
            self._send(effect, channel)

    def _send(self, effect: Effect, channel: ChannelSession | None) -> None:
        try:
            _SENDERS[type(effect)](self, channel, effect)
        except Exception:
            LOGGER.exception("the in-memory broker failed; it closes the connection")
            self.wire.fail()

    def _hold(self) -> None:
        self.wire.is_held = True
        if self._connection is not None and not self._is_paused:
            self._is_paused = True
            self._connection.pause()

    @property
    def is_waiting(self) -> bool:
        """Whether effects wait to be sent."""
        return bool(self._waiting)

    def congest(self) -> None:
        """Pause requests and deliveries, because the client is not reading."""
        self.is_congested = True
        self._hold()

    def proceed(self) -> None:
        """Send waiting effects up to the output limit; if all are sent, resume requests."""
        waiting = self._waiting
        while waiting and not self.wire.output.is_full:
            self._send(*waiting.popleft())
        self._driver.changed(self)
        if not waiting and not self.is_congested:
            self.wire.is_held = False
            if self._connection is not None and self._is_paused:
                self._is_paused = False
                self._connection.resume()

    def data_to_send(self) -> bytes:
        """Return the bytes to send now."""
        for channel in self.confirming:
            channel.end_run()
        self.confirming.clear()
        return self.wire.data_to_send()

    def has_capability(self, name: str) -> bool:
        """Return whether the client supports an extension."""
        return self.wire.capabilities.get(name) is True

    def block(self, effect: effects.Blocked) -> None:
        """Tell the client that it is blocked."""
        if self.has_capability("connection.blocked"):
            self.wire.output.send(0, methods.CONNECTION_BLOCKED, effect.reason)

    def unblock(self) -> None:
        """Tell the client that it is no longer blocked, and resume reading."""
        self.wire.channels.is_blocked = False
        if self.has_capability("connection.blocked"):
            self.wire.output.send(0, methods.CONNECTION_UNBLOCKED)

    def cancel(self, channel: ChannelSession, consumer_tag: str) -> None:
        """Tell the client that the broker cancelled a consumer, if it supports that."""
        if self.has_capability("consumer_cancel_notify"):
            self.wire.output.send(channel.wire.number, methods.BASIC_CANCEL, consumer_tag, True)

    def end(self, effect: effects.ConnectionClosed) -> None:
        """Close the connection, or drop it if there is no refusal."""
        if effect.refusal is None:
            self._cut()
        else:
            self.wire.close(effect.refusal)


_SENDERS: dict[type, Callable[[Session, Any, Any], None]] = {
    effects.Delivered: lambda _, channel, effect: channel.deliver(effect),
    effects.Confirmed: lambda _, channel, effect: channel.confirm(effect),
    effects.Returned: lambda _, channel, effect: channel.send_return(effect),
    effects.ConsumerCancelled: lambda session, channel, effect: session.cancel(
        channel, effect.consumer_tag
    ),
    effects.ChannelClosed: lambda session, channel, effect: session.wire.close_channel(
        channel.wire, effect.refusal
    ),
    effects.ConnectionClosed: lambda session, _, effect: session.end(effect),
    effects.Blocked: lambda session, _, effect: session.block(effect),
    effects.Unblocked: lambda session, _, effect: session.unblock(),
}
