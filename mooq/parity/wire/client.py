"""One connection to a broker, frame by frame."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from mooq.amqp import methods
from mooq.amqp.frames import (
    BODY,
    FRAME,
    HEADER,
    METHOD,
    PROTOCOL_HEADER,
    content_parts,
    method_frame,
)
from mooq.amqp.inspection import FrameSplitter, PartialContent
from mooq.amqp.methods import METHODS, Method, Values
from mooq.basics.address import Address
from mooq.broker.message import Message, Properties
from mooq.errors import MooqError

LONGEST_ANSWER = 30.0  # seconds
_START = FRAME.size
_DEFAULTS: dict[str, Any] = {"bit": False, "text": "", "name": "", "blob": b""}
BY_NAME = {method.name: method for method in METHODS.values()}
CAPABILITIES = {
    "authentication_failure_close": True,
    "basic.nack": True,
    "connection.blocked": True,
    "consumer_cancel_notify": True,
    "publisher_confirms": True,
}


class NoAnswer(MooqError):
    """A broker did not answer."""


class Arrived(NamedTuple):
    """A method from the broker, with its message if it has one."""

    channel: int
    method: Method
    values: Values
    message: Message | None = None


class WireConnection:
    """An open connection. It keeps the methods that arrive until they are taken."""

    def __init__(self, address: Address) -> None:
        self.arrived: deque[Arrived] = deque()
        self.is_open: bool = True
        self._splitter = FrameSplitter()
        self._contents: dict[int, PartialContent] = {}
        self._socket = socket.create_connection((address.host, address.port), LONGEST_ANSWER)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open(address)

    def _open(self, address: Address) -> None:
        login = f"\0{address.username}\0{address.password}".encode()
        self._socket.sendall(PROTOCOL_HEADER)
        start = self._take_handshake(methods.CONNECTION_START)
        self.version: str = start.values[2]["version"]
        properties = {"capabilities": CAPABILITIES}
        self.send(0, methods.CONNECTION_START_OK, properties, "PLAIN", login, "en_US")
        tune = self._take_handshake(methods.CONNECTION_TUNE)
        channel_max, self._frame_max, _ = tune.values
        self.send(0, methods.CONNECTION_TUNE_OK, channel_max, self._frame_max, 0)
        self.send(0, methods.CONNECTION_OPEN, address.virtual_host, "", False)
        self._take_handshake(methods.CONNECTION_OPEN_OK)

    def _take_handshake(self, method: Method) -> Arrived:
        """Take a method of the handshake. Disconnect and raise if the broker sends another one."""
        arrived = self.take(0)
        if arrived.method is method:
            return arrived
        self.end()
        if arrived.method is methods.CONNECTION_CLOSE:
            code, text, *_ = arrived.values
            raise NoAnswer(f"the broker closed the connection that was being opened: {code} {text}")
        raise NoAnswer(f"the broker sent {arrived.method.name} instead of {method.name}")

    def close(self) -> None:
        """Close the connection, with connection.close if it is open."""
        with suppress(NoAnswer, OSError):  # the broker may end it at the same time
            if self.is_open:
                self.send(0, methods.CONNECTION_CLOSE, 200, "", 0, 0)
                self.take(0, lambda arrived: arrived.method is methods.CONNECTION_CLOSE_OK)
        self.end()

    def end(self) -> None:
        """Close the socket without connection.close."""
        self.is_open = False
        self._socket.close()

    def send(self, channel: int, method: Method, *values: Any) -> None:
        """Send a method."""
        self._socket.sendall(method_frame(channel, method, *values))

    def publish(
        self,
        channel: int,
        exchange: str,
        key: str,
        mandatory: bool,
        message: Message,
        immediate: bool = False,
    ) -> None:
        """Send a message."""
        payload = methods.BASIC_PUBLISH.encode(0, exchange, key, mandatory, immediate)
        self._socket.sendall(b"".join(content_parts(channel, payload, message, self._frame_max)))

    def take(self, channel: int, is_wanted: Callable[[Arrived], bool] = lambda _: True) -> Arrived:
        """Remove and return the first wanted method of a channel; wait for it if necessary.

        A close of the channel or the connection is always wanted. Raises :class:`NoAnswer`.
        """
        seen = 0
        while True:
            for index, arrived in enumerate(self.arrived):
                if index < seen:
                    continue
                closes = arrived.method is methods.CONNECTION_CLOSE or (
                    arrived.method is methods.CHANNEL_CLOSE and arrived.channel == channel
                )
                if closes or (arrived.channel == channel and is_wanted(arrived)):
                    if not closes or arrived.channel == channel:
                        del self.arrived[index]
                    return arrived
            seen = len(self.arrived)
            if not self._read():
                raise NoAnswer(f"the connection ended before channel {channel} was answered")

    def _read(self) -> bool:
        """Read once; return whether there was any data."""
        try:
            data = self._socket.recv(2**16)
        except TimeoutError:
            raise NoAnswer(f"no answer within {LONGEST_ANSWER:g} s") from None
        except OSError:
            data = b""
        for frame in self._splitter.feed(data):
            self._keep(frame)
        return bool(data)

    def _keep(self, frame: bytes) -> None:
        kind, channel, _ = FRAME.unpack_from(frame)
        payload = frame[_START:-1]
        if kind == METHOD:
            method = METHODS[int.from_bytes(payload[:4], "big")]
            values = method.decode(payload[4:])
            if method.has_content:
                self._contents[channel] = PartialContent(method, values)
            else:
                self.arrived.append(Arrived(channel, method, values))
        elif kind in (HEADER, BODY):
            content = self._contents[channel]
            if content.take(kind, payload):
                del self._contents[channel]
                message = content.message("", "")
                self.arrived.append(Arrived(channel, content.method, content.values, message))


def values_of(method: Method, fields: dict[str, Any]) -> list[Any]:
    """Return a method's values in order, with defaults for missing ones."""
    unknown = fields.keys() - {name for name, _ in method.fields}
    assert not unknown, f"{method.name} has no {unknown}"
    return [
        fields.get(name, {} if kind == "table" else _DEFAULTS.get(kind, 0))
        for name, kind in method.fields
    ]


def message_of(body: str, properties: dict[str, Any]) -> Message:
    """Return a message to publish."""
    return Message(body.encode(), "", "", Properties(**properties))
