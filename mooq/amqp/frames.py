"""Encoding of frames, and of messages as frames."""

from __future__ import annotations

from struct import Struct

from mooq.amqp.methods import BASIC_ACK, BASIC_NACK, Method
from mooq.amqp.properties import encode_properties
from mooq.broker.message import Message

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
"""Frame types."""

FRAME_END = 206
FRAME_OVERHEAD = 8
"""Bytes of a frame in addition to its payload."""

FRAME = Struct(">BHI")
"""The start of a frame: type, channel, length of the payload."""

CONTENT_FRAME = Struct(">BHIHHQ")
"""The start of a content header frame: a frame's start, then class id, weight and body size."""

HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_CONTENT_PAYLOAD = 12  # bytes of a content header before the property flags
_CONTENT_AFTER = Struct(">BBHIHHQ")  # the end of a frame and the start of a content header
_BODY_AFTER = Struct(">BBHI")  # the end of a frame and the start of a body
_SETTLED = Struct(">BHIHHQBB")  # a whole frame of basic.ack or basic.nack
_END = bytes((FRAME_END,))
_BASIC = 60
_REFUSED = 0b11  # the bits of a basic.nack to a publisher: multiple, requeue


def method_frame(channel: int, method: Method, *values: object) -> bytes:
    """Return a method frame. Raises ``ValueError`` or ``TypeError`` for an invalid value."""
    payload = method.encode(*values)
    return FRAME.pack(METHOD, channel, len(payload)) + payload + _END


def confirm_frame(channel: int, delivery_tag: int, multiple: bool, is_ack: bool) -> bytes:
    """Return the frame of a publisher confirm: basic.ack or basic.nack.

    RabbitMQ's basic.nack always has the bits ``multiple`` and ``requeue`` set.
    """
    method, bits = (BASIC_ACK, multiple) if is_ack else (BASIC_NACK, _REFUSED)
    return _SETTLED.pack(
        METHOD, channel, 13, _BASIC, method.method_id, delivery_tag, bits, FRAME_END
    )


def content_parts(
    channel: int, payload: bytes, message: Message, frame_max: int
) -> tuple[bytes, ...]:
    """Return a method with a message as frames, in parts to be joined.

    ``payload`` is that of the method frame. The body is split into frames of ``frame_max`` bytes.
    """
    body = message.body
    size = len(body)
    properties = encode_properties(message.properties)
    header = _CONTENT_AFTER.pack(
        FRAME_END, HEADER, channel, _CONTENT_PAYLOAD + len(properties), _BASIC, 0, size
    )
    start = FRAME.pack(METHOD, channel, len(payload))
    if not size:
        return (start, payload, header, properties, _END)
    largest = frame_max - FRAME_OVERHEAD
    if size <= largest:
        first = _BODY_AFTER.pack(FRAME_END, BODY, channel, size)
        return (start, payload, header, properties, first, body, _END)
    parts = [start, payload, header, properties]
    for at in range(0, size, largest):
        part = body[at : at + largest]
        parts += (_BODY_AFTER.pack(FRAME_END, BODY, channel, len(part)), part)
    parts.append(_END)
    return tuple(parts)
