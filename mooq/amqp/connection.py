"""The server's side of an AMQP connection as a state machine: bytes in, requests out.

The caller passes a client's bytes to :meth:`ServerConnection.receive`, which calls the
:class:`~mooq.amqp.channels.RequestHandler`, and then sends the bytes that
:meth:`ServerConnection.data_to_send` returns. The caller also passes the time. A protocol violation
closes the connection with RabbitMQ's text. Only errors of the handler are raised.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from mooq.amqp import methods
from mooq.amqp.channels import Channels, ConnectionRefused, RequestHandler
from mooq.amqp.contents import HEADER_SIZE, Channel, find_method
from mooq.amqp.frames import (
    BODY,
    CONTENT_FRAME,
    FRAME,
    FRAME_END,
    FRAME_OVERHEAD,
    HEADER,
    HEARTBEAT,
    HEARTBEAT_FRAME,
    METHOD,
    PROTOCOL_HEADER,
)
from mooq.amqp.handshake import Handshake, Limits, LoginRefused
from mooq.amqp.heartbeats import Heartbeats
from mooq.amqp.methods import DamagedFields, DamagedText, Method
from mooq.amqp.output import Output
from mooq.amqp.properties import PropertiesError
from mooq.amqp.tables import TableError
from mooq.amqp.versions import Version
from mooq.amqp.violations import (
    Crash,
    LostSync,
    Violation,
    bad_frame_end,
    frame_too_large,
    internal_error,
    malformed_text,
    shortened,
    unexpected_frame,
    unexpected_method,
    unknown_frame,
)
from mooq.broker.refusals import Refusal

HANDSHAKE_TIMEOUT = 10.0
"""Seconds within which a client must send connection.open."""

CLOSE_TIMEOUT = 30.0
"""Seconds within which a peer must send close-ok or disconnect, or a heartbeat if shorter."""

HANG_UP_DELAY = 3.0
"""Seconds after which a client is disconnected that broke the framing or failed to log in."""

_SETTLED = Struct(">IQB")
_ACK_SIZE = _SETTLED.size
_ACK = methods.BASIC_ACK.key
_PUBLISH = methods.BASIC_PUBLISH.ids
_CONTENT_START = CONTENT_FRAME.size
_START = FRAME.size
_BASIC = 60
_LIMITS = Limits()

_Closing = Violation | Crash | PropertiesError | TableError | LoginRefused | ConnectionRefused


class ServerConnection:
    """A connection, from the protocol header to the last close-ok.

    Bodies above ``largest_message`` bytes are not kept. ``now`` is in seconds of a monotonic clock.
    If ``is_over``, disconnect once everything is sent. While ``is_held`` is True, requests wait;
    ``has_input`` then tells to call :meth:`receive` again later.
    """

    def __init__(
        self,
        handler: RequestHandler,
        version: Version,
        *,
        now: float,
        cluster_name: str,
        largest_message: int,
        enforces_heartbeats: bool,
        limits: Limits = _LIMITS,
    ) -> None:
        self._handler = handler
        self._version = version
        self._cluster_name = cluster_name
        self._enforces_heartbeats = enforces_heartbeats
        self._handshake = Handshake(handler, version, limits)
        self._heartbeats = Heartbeats(0, now)
        self._deadline: float | None = now + HANDSHAKE_TIMEOUT
        self._now = now
        self._state = "header"  # then the states of the handshake, then closing or closed
        self._is_done: bool = False
        self._buffer = b""
        self.output: Output = Output(self._handshake.limits.frame_max)
        self.channels: Channels = Channels(handler, self.output, version, largest_message)
        self.is_over: bool = False
        self.is_held: bool = False
        self.has_input: bool = False

    @property
    def capabilities(self) -> dict[str, Any]:
        """The capabilities that the client announced."""
        return self._handshake.capabilities

    def data_to_send(self) -> bytes:
        """Return the bytes to send, and clear them."""
        data = self.output.take()
        if data and data != HEARTBEAT_FRAME:
            self._heartbeats.has_sent = True
        return data

    def next_deadline(self) -> float | None:
        """Return the time at which to call :meth:`advance`; None for never."""
        beat = None if self._is_done else self._heartbeats.next_deadline()
        if self._deadline is None or beat is None:
            return self._deadline if beat is None else beat
        return min(self._deadline, beat)

    def advance(self, now: float) -> None:
        """Send a heartbeat if it is due, and disconnect a peer that was silent for too long."""
        self._now = now
        if self._deadline is not None and now >= self._deadline:
            self.hang_up()
        if self._is_done:
            return
        if self.is_held or self.channels.is_blocked:
            self._heartbeats.mark_received()
        if self._heartbeats.is_missed(now) and self._enforces_heartbeats:
            self.hang_up()
        elif self._heartbeats.is_due(now):
            self.output.add(HEARTBEAT_FRAME)

    def close(self, refusal: Refusal, method: Method | None = None) -> None:
        """Send connection.close; the client must reply with close-ok."""
        if self._state in ("closing", "closed"):
            return
        text = shortened(refusal.text, self._version.is_unicode)
        if text is None:
            refusal = internal_error()
            text = refusal.text
        self._end("closed")
        self.is_held = self.channels.is_blocked = False
        blamed = None if text == internal_error().text else method
        cause = (blamed.class_id, blamed.method_id) if blamed else (0, 0)
        self.output.send(0, methods.CONNECTION_CLOSE, refusal.code, text, *cause)

    def close_channel(self, channel: Channel, refusal: Refusal) -> None:
        """Close a channel for a reason other than a method of the client."""
        try:
            self.channels.refuse(channel, refusal, None)
        except ConnectionRefused as failure:
            self._fail(failure)

    def fail(self) -> None:
        """Close the connection after an internal error of the broker."""
        if self._state in ("running", "opening"):
            self.close(internal_error())
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection without sending connection.close."""
        self._handler.close()
        self._is_done = self.is_over = True
        self.has_input = False
        self._deadline = None
        self._buffer = b""

    def _end(self, state: str) -> None:
        self._handler.close()
        self._state = state
        self.channels.by_number.clear()
        heartbeat = self._handshake.limits.heartbeat
        self._deadline = self._now + min(heartbeat or CLOSE_TIMEOUT, CLOSE_TIMEOUT)

    def _fail(self, failure: _Closing) -> None:
        """Handle a failure as RabbitMQ does."""
        if isinstance(failure, LoginRefused):
            self.close(failure.refusal)
            self._stop_reading()
        elif isinstance(failure, Crash | TableError) or self._state not in ("running", "opening"):
            self.output.take()  # discarded
            self.hang_up()
        elif isinstance(failure, PropertiesError):
            self.close(internal_error())
        else:
            self.close(failure.refusal, failure.method)
            if isinstance(failure, LostSync):
                self._stop_reading()

    def _stop_reading(self) -> None:
        self._is_done = True
        self._deadline = self._now + HANG_UP_DELAY

    def receive(self, data: bytes, now: float) -> None:
        """Handle the requests in bytes from the client."""
        self._now = now
        self._heartbeats.has_received = True
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        at = self._read_header(data) if self._state == "header" else 0
        if self._state != "header":
            while not (self._is_done or self.is_held or self.channels.is_blocked):
                end = self._read_frames(data, at)
                if end == at:
                    break
                at = end
        if not self._is_done:
            self._buffer = data[at:]
            self.has_input = self.is_held or self.channels.is_blocked

    def _read_header(self, data: bytes) -> int:
        """Read the protocol header; return the offset after it, 0 if it is incomplete."""
        if len(data) < len(PROTOCOL_HEADER):
            return 0
        header = data[: len(PROTOCOL_HEADER)]
        if header in self._version.headers:
            self._state = self._handshake.state
            self.output.send(
                0, methods.CONNECTION_START, *self._handshake.start(self._cluster_name)
            )
        else:
            is_near = header.startswith(b"AMQP\x00\x00") and header[6] >= 9
            self.output.add(PROTOCOL_HEADER if is_near else self._version.refusal)
            self.hang_up()
        return len(header)

    def _read_frames(self, data: bytes, at: int) -> int:  # noqa: C901 - one loop, for its speed
        """Handle the complete frames from this offset on; return the offset after them.

        Returns early if something was refused or if requests must wait.
        """
        by_number, publishes = self.channels.by_number, self.channels.publishes
        known, handler = self.channels.properties, self._handler
        unpack_start, unpack_content = FRAME.unpack_from, CONTENT_FRAME.unpack_from
        length = len(data)
        largest = self.output.frame_max
        method = methods.BASIC_PUBLISH
        channel = None
        try:
            while length - at >= _START:
                kind, number, size = unpack_start(data, at)
                end = at + _START + size
                if size > largest:
                    raise frame_too_large(kind, size, largest - FRAME_OVERHEAD)
                if end >= length:
                    break
                payload = data[at + _START : end]
                if data[end] != FRAME_END:
                    raise bad_frame_end(kind, payload, data[end], self._version.is_unicode)
                at = end + 1
                channel = by_number.get(number)
                if (
                    kind == METHOD
                    and channel is not None
                    and channel.method is None
                    and channel.is_open
                    and not channel.is_closing
                ):
                    publish = publishes.get(payload)
                    if publish is None and payload.startswith(_PUBLISH):
                        publish = self.channels.read_publish(payload)
                    if publish is not None:
                        # Usually the message is complete: a header frame and a body frame.
                        if length - at > _CONTENT_START:
                            kind, other, size, class_id, weight, body_size = unpack_content(
                                data, at
                            )
                            header_end = at + _START + size
                            end = header_end + (body_size + FRAME_OVERHEAD if body_size else 0)
                            if (
                                kind == HEADER
                                and other == number
                                and class_id == _BASIC
                                and not weight
                                and HEADER_SIZE < size <= largest
                                and body_size <= largest
                                and end < length
                                and data[header_end] == FRAME_END == data[end]
                                and (
                                    not body_size
                                    or unpack_start(data, header_end + 1)
                                    == (BODY, number, body_size)
                                )
                                and not handler.content_header_arrived()
                            ):
                                raw = data[at + _CONTENT_START : header_end]
                                body = data[header_end + _START + 1 : end] if body_size else b""
                                at = end + 1
                                properties = known.get(raw)
                                if properties is None:
                                    properties = self.channels.read_properties(raw)
                                method = methods.BASIC_PUBLISH
                                handler.publish(channel, *publish, properties, body)
                                continue
                        channel.begin(methods.BASIC_PUBLISH, publish)
                        continue
                    if size == _ACK_SIZE:
                        key, tag, flags = _SETTLED.unpack(payload)
                        if key == _ACK:
                            method = methods.BASIC_ACK
                            handler.ack(channel, tag, flags & 1 == 1)
                            continue
                self._take_frame(kind, number, payload)
                largest = self.output.frame_max  # connection.tune-ok changes it
                if self.is_held or self._is_done or self.output.is_full or self.channels.is_blocked:
                    self.is_held = self.output.is_full
                    break
        except Refusal as refusal:
            assert channel is not None
            try:
                self.channels.refuse(channel, refusal, method)
            except ConnectionRefused as failure:
                self._fail(failure)
        except (
            Violation,
            Crash,
            PropertiesError,
            TableError,
            LoginRefused,
            ConnectionRefused,
        ) as failure:
            self._fail(failure)
        return at

    def _take_frame(self, kind: int, number: int, payload: bytes) -> None:
        """Handle any frame. Raises an exception that closes the connection."""
        if number == 0:
            self._take_connection_frame(kind, payload)
        elif self._state in ("closing", "closed"):
            return
        elif self._state == "running":
            self.channels.take_frame(kind, number, payload)
        else:
            raise unexpected_frame(kind, payload, self._version.is_unicode)

    def _take_connection_frame(self, kind: int, payload: bytes) -> None:
        if kind == METHOD and len(payload) >= 4:
            method = find_method(payload)
            if self._state in ("closing", "closed"):
                self._take_late_method(method)
            else:
                self._take_connection_method(method, payload)
        elif self._state in ("closing", "closed") or (kind == HEARTBEAT and not payload):
            return
        elif kind == BODY or (kind == HEADER and len(payload) >= HEADER_SIZE):
            raise unexpected_frame(kind, payload, self._version.is_unicode)
        else:
            raise unknown_frame(kind, payload, self._version.is_unicode)

    def _take_late_method(self, method: Method) -> None:
        if method is methods.CONNECTION_CLOSE:
            self.output.send(0, methods.CONNECTION_CLOSE_OK)
        elif method is methods.CONNECTION_CLOSE_OK and self._state == "closed":
            self.hang_up()

    def _take_connection_method(self, method: Method, payload: bytes) -> None:
        try:
            values = method.decode(payload[4:])
        except (DamagedFields, TableError):
            self.fail()
            return
        except DamagedText:
            raise malformed_text(method) from None
        if self._state != "running":
            self._continue_handshake(method, values)
        elif method is methods.CONNECTION_CLOSE:
            self._end("closing")
            self.output.send(0, methods.CONNECTION_CLOSE_OK)
        elif method is methods.CONNECTION_UPDATE_SECRET:
            self.output.send(0, methods.CONNECTION_UPDATE_SECRET_OK)
        else:
            raise unexpected_method(self._state, method)

    def _continue_handshake(self, method: Method, values: methods.Values) -> None:
        try:
            answer = self._handshake.answer(method, values)
        except Refusal as refusal:
            raise ConnectionRefused(refusal, method) from None
        self._state = self._handshake.state
        if answer is not None:
            self.output.send(0, answer[0], *answer[1])
        limits = self._handshake.limits
        self.output.frame_max = limits.frame_max
        self.channels.channel_max = limits.channel_max
        if self._state == "running":
            # Not earlier: clients fail if a heartbeat comes before open-ok.
            self._heartbeats = Heartbeats(limits.heartbeat, self._now)
            self._deadline = None
