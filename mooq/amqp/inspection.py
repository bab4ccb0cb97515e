"""Frames and contents as they pass by: for those who look on a conversation of two others."""

from __future__ import annotations

from typing import Protocol

from mooq.amqp.frames import BODY, FRAME, FRAME_END, FRAME_OVERHEAD, HEADER, HEARTBEAT, METHOD
from mooq.amqp.methods import Method, Values
from mooq.amqp.properties import WireProperties
from mooq.broker.message import Message

LARGEST = 2**29
"""Bytes of a frame's payload; RabbitMQ takes no message that is larger."""

_KINDS = frozenset((METHOD, HEADER, BODY, HEARTBEAT))
_START = FRAME.size
_HEADER_START = ord("A")  # of a protocol header, which is as long as the shortest frame
_SIZE_IN_HEADER = slice(4, 12)  # of a content header's payload: the size of the body
_PROPERTIES = 12  # where the properties begin there


class ByteTap(Protocol):
    """Looks on one client's connection, and may change what passes."""

    def from_client(self, data: bytes) -> bytes:
        """Return what the broker is to get of these bytes of the client's."""

    def to_client(self, data: bytes) -> bytes:
        """Return what the client is to get of these bytes of the broker's."""

    def close(self) -> None:
        """Learn that the connection has ended."""


class FrameSplitter:
    """The bytes of one direction, cut into whole frames.

    A protocol header is a piece of its own. What is no frame is let through as it is, and so is all
    that follows: ``is_opaque`` is then true.
    """

    def __init__(self) -> None:
        self.is_opaque: bool = False
        self._buffer = bytearray()
        self._needed = FRAME_OVERHEAD

    def feed(self, data: bytes) -> list[bytes]:
        """Return the pieces that are complete now."""
        if self.is_opaque:
            return [data] if data else []
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return []
            data = self.rest()
        pieces: list[bytes] = []
        at, length = 0, len(data)
        self._needed = FRAME_OVERHEAD
        while length - at >= FRAME_OVERHEAD:
            kind, _, size = FRAME.unpack_from(data, at)
            end = at + (size + FRAME_OVERHEAD if kind != _HEADER_START else FRAME_OVERHEAD)
            if kind != _HEADER_START and (kind not in _KINDS or size > LARGEST):
                self.is_opaque = True
            elif end > length:
                self._needed = end - at
                break
            elif kind != _HEADER_START and data[end - 1] != FRAME_END:
                self.is_opaque = True
            if self.is_opaque:
                return [*pieces, data[at:]]
            pieces.append(data[at:end])
            at = end
        self._buffer += data[at:]
        return pieces

    def rest(self) -> bytes:
        """Return, once, the bytes of a frame that is not complete."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


class PartialContent:
    """A method with content, of which header and body are yet to come."""

    __slots__ = ("_missing", "_parts", "_properties", "method", "values")

    def __init__(self, method: Method, values: Values) -> None:
        self.method: Method = method
        self.values: Values = values
        self._properties: bytes = b""
        self._missing = 0
        self._parts: list[bytes] = []

    def take(self, kind: int, payload: bytes) -> bool:
        """Take a frame; return whether the content is complete."""
        if kind == HEADER:
            self._missing = int.from_bytes(payload[_SIZE_IN_HEADER], "big")
            self._properties = payload[_PROPERTIES:]
        elif kind == BODY:
            self._parts.append(payload)
            self._missing -= len(payload)
        return self._missing <= 0

    def message(self, exchange: str, routing_key: str) -> Message:
        """Return the message. Raises :class:`~mooq.amqp.properties.PropertiesError`."""
        return Message(
            b"".join(self._parts), exchange, routing_key, WireProperties(self._properties)
        )

    @property
    def fingerprint(self) -> int:
        """A hash of properties and body."""
        return hash((self._properties, b"".join(self._parts)))
