"""Inspection of a connection between two others: its frames and messages."""

from __future__ import annotations

from typing import Protocol

from mooq.amqp.frames import BODY, FRAME, FRAME_END, FRAME_OVERHEAD, HEADER, HEARTBEAT, METHOD
from mooq.amqp.methods import Method, Values
from mooq.amqp.properties import WireProperties
from mooq.broker.message import Message

LARGEST = 2**29
"""The maximum payload of a frame, in bytes; RabbitMQ's maximum size of a message."""

_KINDS = frozenset((METHOD, HEADER, BODY, HEARTBEAT))
_START = FRAME.size
_HEADER_START = ord("A")  # of a protocol header, which has the length of the shortest frame
_SIZE_IN_HEADER = slice(4, 12)  # the body size in a content header's payload
_PROPERTIES = 12  # the offset of the properties in it


class ByteTap(Protocol):
    """Observes a client's connection, and may change its data."""

    def from_client(self, data: bytes) -> bytes:
        """Return the bytes to pass to the broker for these bytes from the client."""

    def to_client(self, data: bytes) -> bytes:
        """Return the bytes to pass to the client for these bytes from the broker."""

    def close(self) -> None:
        """Handle the end of the connection."""


class FrameSplitter:
    """Splits the bytes of one direction into frames.

    A protocol header counts as a frame. Invalid data, and everything after it, is returned
    unchanged; ``is_opaque`` is then True.
    """

    def __init__(self) -> None:
        self.is_opaque: bool = False
        self._buffer = bytearray()
        self._needed = FRAME_OVERHEAD

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes; return the frames that are complete now."""
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
        """Remove and return the bytes of an incomplete frame."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


class PartialContent:
    """A method with content whose header and body are still arriving."""

    __slots__ = ("_missing", "_parts", "_properties", "method", "values")

    def __init__(self, method: Method, values: Values) -> None:
        self.method: Method = method
        self.values: Values = values
        self._properties: bytes = b""
        self._missing = 0
        self._parts: list[bytes] = []

    def take(self, kind: int, payload: bytes) -> bool:
        """Add a frame; return whether the content is complete."""
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
