"""Output of a connection, as parts that are joined once a turn."""

from __future__ import annotations

from mooq.amqp.frames import content_parts, method_frame
from mooq.amqp.methods import Method
from mooq.broker.message import Message

MOST_UNSENT = 1 << 20
"""Bytes after which a connection's requests wait until they are sent."""

_OVERHEAD = 128  # bytes, about, of what is sent beside a body


class Output:
    """Frames to send. ``frame_max`` is the size of the largest, in bytes."""

    __slots__ = ("frame_max", "parts", "size")

    def __init__(self, frame_max: int) -> None:
        self.frame_max: int = frame_max
        self.parts: list[bytes] = []
        self.size: int = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be asked for before this is sent."""
        return self.size > MOST_UNSENT

    def take(self) -> bytes:
        """Return everything, and forget it."""
        data = b"".join(self.parts)
        self.parts.clear()
        self.size = 0
        return data

    def add(self, frame: bytes) -> None:
        """Send a whole frame, or several."""
        self.parts.append(frame)
        self.size += len(frame)

    def send(self, number: int, method: Method, *values: object) -> None:
        """Send a method on a channel. Raises ValueError and TypeError for what does not fit."""
        self.add(method_frame(number, method, *values))

    def send_message(self, number: int, payload: bytes, message: Message) -> None:
        """Send a method that carries a message; ``payload`` is the encoded method."""
        self.parts += content_parts(number, payload, message, self.frame_max)
        self.size += len(message.body) + _OVERHEAD
