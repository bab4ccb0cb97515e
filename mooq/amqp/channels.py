"""Channels of a connection: their methods, contents and closing."""

from __future__ import annotations

from typing import Protocol

from mooq.amqp import methods
from mooq.amqp.contents import HEADER_SIZE, Channel, decode_fields, find_method
from mooq.amqp.frames import BODY, HEADER, HEARTBEAT, METHOD
from mooq.amqp.handshake import Authenticator
from mooq.amqp.methods import Method, Values
from mooq.amqp.output import Output
from mooq.amqp.properties import WireProperties
from mooq.amqp.versions import Version
from mooq.amqp.violations import (
    expected_channel_open,
    second_channel_open,
    shortened,
    unexpected_frame,
    unimplemented_method,
    unknown_frame,
)
from mooq.broker import refusals
from mooq.broker.refusals import Refusal, Scope

_REMEMBERED = 512  # cached publish methods, and cached properties
_LONGEST_REMEMBERED = 256  # bytes

_REQUESTS = frozenset(
    method
    for method in methods.METHODS.values()
    if (method.from_client and method.class_id > 20) or method is methods.CHANNEL_FLOW
)
"""The methods that a client may send on an open channel."""

Publish = tuple[str, str, bool, bool]
"""Exchange, routing key, mandatory and immediate."""


class RequestHandler(Authenticator, Protocol):
    """Handles the requests of a connection. Each method may raise ``Refusal``."""

    def open_channel(self, channel: Channel) -> None:
        """Open a channel. The handler may store an object of its own in ``target``."""

    def close_channel(self, channel: Channel) -> None:
        """Clean up a channel that was closed by the client or by a refusal."""

    def publish(
        self,
        channel: Channel,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        immediate: bool,
        properties: WireProperties,
        body: bytes,
    ) -> None:
        """Publish a message."""

    def publish_too_large(self, channel: Channel, size: int) -> None:
        """Refuse a message above the size limit. Its body was not kept."""

    def ack(self, channel: Channel, delivery_tag: int, multiple: bool) -> None:
        """Acknowledge deliveries."""

    def request(self, channel: Channel, method: Method, values: Values) -> None:
        """Handle any other method, and send its reply."""

    def content_header_arrived(self) -> bool:
        """Return whether an alarm blocks the connection, which is starting to publish."""

    def close(self) -> None:
        """Clean up the connection. Closing twice must be safe."""


class ConnectionRefused(Exception):
    """A refusal that closes the connection, and the method that caused it."""

    def __init__(self, refusal: Refusal, method: Method | None) -> None:
        self.refusal = refusal
        self.method = method
        super().__init__(refusal.text)


class Channels:
    """The channels of a connection, by number.

    Bodies above ``largest_message`` bytes are not kept. ``is_blocked`` is True if a message started
    to arrive during an alarm.
    """

    def __init__(
        self, handler: RequestHandler, output: Output, version: Version, largest_message: int
    ) -> None:
        self._handler = handler
        self._output = output
        self._version = version
        self._largest_message = largest_message
        self.channel_max = 0
        self.is_blocked: bool = False
        self.by_number: dict[int, Channel] = {}
        self.publishes: dict[bytes, Publish] = {}
        self.properties: dict[bytes, WireProperties] = {}

    def take_frame(self, kind: int, number: int, payload: bytes) -> None:
        """Handle a frame. Raises an exception that closes the connection."""
        if kind == METHOD and len(payload) >= 4:
            self._take_method(number, payload)
        elif kind == HEADER and len(payload) >= HEADER_SIZE:
            channel = self._channel(number)
            is_complete = channel.add_header(payload, self._version.largest_body)
            if channel.is_open and not channel.is_closing:
                self.is_blocked = self._handler.content_header_arrived()
            if is_complete:
                self._finish(channel)
        elif kind == BODY:
            channel = self._channel(number)
            refuses_overrun = self._version.largest_body is not None
            if channel.add_body(payload, self._largest_message, refuses_overrun):
                self._finish(channel)
        elif kind == HEARTBEAT and not payload:
            raise unexpected_frame(kind, payload, self._version.is_unicode)
        else:
            raise unknown_frame(kind, payload, self._version.is_unicode)

    def _channel(self, number: int) -> Channel:
        channel = self.by_number.get(number)
        if channel is None:
            if len(self.by_number) >= self.channel_max:
                raise ConnectionRefused(refusals.too_many_channels(self.channel_max), None)
            channel = self.by_number[number] = Channel(number)
        return channel

    def _take_method(self, number: int, payload: bytes) -> None:
        method = find_method(payload)
        channel = self._channel(number)
        channel.add_method()
        values = decode_fields(method, payload)
        if not method.has_content:
            self._fulfil(channel, method, values)
            return
        channel.begin(method, values)  # to be refused later; read_publish() handles publishes

    def read_publish(self, payload: bytes) -> Publish | None:
        """Return the decoded basic.publish of a method frame, and cache it; None if damaged."""
        try:
            key_at = 8 + payload[6]
            end = key_at + payload[key_at - 1]
            bits = payload[end]
        except IndexError:
            return None
        if end + 1 != len(payload):
            return None
        publish = (
            payload[7 : key_at - 1].decode("utf-8", "surrogateescape"),
            payload[key_at:end].decode("utf-8", "surrogateescape"),
            bits & 1 == 1,
            bits & 2 == 2,
        )
        if len(payload) <= _LONGEST_REMEMBERED:
            if len(self.publishes) >= _REMEMBERED:
                self.publishes.clear()
            self.publishes[payload] = publish
        return publish

    def read_properties(self, raw: bytes) -> WireProperties:
        """Return decoded properties, and cache them if they are short.

        Raises :class:`~mooq.amqp.properties.PropertiesError`.
        """
        properties = self.properties.get(raw)
        if properties is None:
            properties = WireProperties(raw)
            if len(raw) <= _LONGEST_REMEMBERED:
                if len(self.properties) >= _REMEMBERED:
                    self.properties.clear()
                self.properties[raw] = properties
        return properties

    def _finish(self, channel: Channel) -> None:
        """Pass a complete message to the handler."""
        method, values, raw = channel.method, channel.values, channel.properties
        assert method is not None
        assert raw is not None
        body = channel.finish()
        if not channel.is_open:
            raise expected_channel_open(method)
        if channel.is_closing:
            return
        if method is not methods.BASIC_PUBLISH:
            raise unimplemented_method(method)
        try:
            if channel.size > self._largest_message:
                self._handler.publish_too_large(channel, channel.size)
            else:
                properties = self.read_properties(raw)
                exchange, key, mandatory, immediate = values
                self._handler.publish(
                    channel, exchange, key, mandatory, immediate, properties, body
                )
        except Refusal as refusal:
            self.refuse(channel, refusal, method)

    def _fulfil(self, channel: Channel, method: Method, values: Values) -> None:
        if not channel.is_open:
            if method is not methods.CHANNEL_OPEN:
                raise expected_channel_open(method)
            self._handler.open_channel(channel)
            channel.is_open = True
            self._output.send(channel.number, methods.CHANNEL_OPEN_OK, b"")
        elif method is methods.CHANNEL_OPEN:
            raise second_channel_open(method)
        elif channel.is_closing:
            self._take_late_method(channel, method)
        elif method is methods.CHANNEL_CLOSE:
            self._handler.close_channel(channel)
            del self.by_number[channel.number]
            self._output.send(channel.number, methods.CHANNEL_CLOSE_OK)
        elif method is methods.ACCESS_REQUEST:
            self._output.send(channel.number, methods.ACCESS_REQUEST_OK, 1)
        elif method not in _REQUESTS:
            raise unimplemented_method(method)
        else:
            try:
                self._handler.request(channel, method, values)
            except Refusal as refusal:
                self.refuse(channel, refusal, method)

    def _take_late_method(self, channel: Channel, method: Method) -> None:
        """Handle a method that a client sent before it learned that its channel is closed."""
        if method is methods.CHANNEL_CLOSE:
            self._output.send(channel.number, methods.CHANNEL_CLOSE_OK)
        elif method is methods.CHANNEL_CLOSE_OK:
            self.by_number.pop(channel.number, None)

    def refuse(self, channel: Channel, refusal: Refusal, method: Method | None) -> None:
        """Close the channel of a refusal, or raise to close the connection."""
        text = shortened(refusal.text, self._version.is_unicode)
        if refusal.scope is Scope.CONNECTION or text is None:
            raise ConnectionRefused(refusal, method)
        if channel.is_closing:
            return
        self._handler.close_channel(channel)
        channel.is_closing = True
        class_id, method_id = (method.class_id, method.method_id) if method else (0, 0)
        self._output.send(
            channel.number, methods.CHANNEL_CLOSE, refusal.code, text, class_id, method_id
        )
