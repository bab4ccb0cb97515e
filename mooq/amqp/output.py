"""Output of a connection, in parts that are joined before sending."""

from __future__ import annotations

from mooq.amqp.frames import content_parts, method_frame
from mooq.amqp.methods import Method
from mooq.broker.message import Message

MOST_UNSENT = 1 << 20
"""Unsent bytes above which a connection's requests wait."""

_OVERHEAD = 128  # approximate bytes sent in addition to a body


class Output:
    """Frames to send. ``frame_max`` is the maximum size of a frame, in bytes."""

    __slots__ = ("frame_max", "parts", "size")

    def __init__(self, frame_max: int) -> None:
        self.frame_max: int = frame_max
        self.parts: list[bytes] = []
        self.size: int = 0

    @property
    def is_full(self) -> bool:
        """Whether requests should wait until this is sent."""
        return self.size > MOST_UNSENT

    def take(self) -> bytes:
        """Return everything, and clear it."""
        data = b"".join(self.parts)
        self.parts.clear()
        self.size = 0
        return data

    def add(self, frame: bytes) -> None:
        """Add one or more complete frames."""
        self.parts.append(frame)
        self.size += len(frame)

    def send(self, number: int, method: Method, *values: object) -> None:
        """Add a method on a channel. Raises ``ValueError`` or ``TypeError``."""
        self.add(method_frame(number, method, *values))

    def send_message(self, number: int, payload: bytes, message: Message) -> None:
        """Add a method with a message; ``payload`` is the encoded method."""
        self.parts += content_parts(number, payload, message, self.frame_max)
        self.size += len(message.body) + _OVERHEAD
