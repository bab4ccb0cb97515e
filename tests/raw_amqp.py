"""Raw AMQP frames, for tests that send what no client library would, and replies as text."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PROTOCOL_HEADER = b"AMQP\0\0\x09\x01"
END = b"\xce"


def frame(kind: int, channel: int, payload: bytes, end: bytes = END) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


def method(channel: int, class_id: int, method_id: int, fields: bytes = b"") -> bytes:
    return frame(1, channel, struct.pack(">HH", class_id, method_id) + fields)


def header(
    size: int, properties: bytes = b"\0\0", class_id: int = 60, weight: int = 0, channel: int = 1
) -> bytes:
    return frame(2, channel, struct.pack(">HHQ", class_id, weight, size) + properties)


def body(data: bytes, channel: int = 1) -> bytes:
    return frame(3, channel, data)


def short(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return bytes((len(data),)) + data


def long(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">I", len(data)) + data


CAPABILITIES = (
    "authentication_failure_close",
    "consumer_cancel_notify",
    "basic.nack",
    "publisher_confirms",
    "connection.blocked",
)
CLIENT_PROPERTIES = long(
    short("capabilities") + b"F" + long(b"".join(short(name) + b"t\1" for name in CAPABILITIES))
)
NO_PROPERTIES = long(b"")


def start_ok(
    mechanism: str = "PLAIN",
    response: bytes = b"\0guest\0guest",
    properties: bytes = CLIENT_PROPERTIES,
    locale: str = "en_US",
) -> bytes:
    return method(0, 10, 11, properties + short(mechanism) + long(response) + short(locale))


def amqplain(user: str, password: str) -> bytes:
    return short("LOGIN") + b"S" + long(user) + short("PASSWORD") + b"S" + long(password)


def tune_ok(channels: int = 2047, frame_max: int = 131_072, heartbeat: int = 0) -> bytes:
    return method(0, 10, 31, struct.pack(">HIH", channels, frame_max, heartbeat))


def open_connection(virtual_host: str | bytes = "/") -> bytes:
    return method(0, 10, 40, short(virtual_host) + short("") + b"\0")


def close(class_id: int = 20, channel: int = 1) -> bytes:
    return method(channel, class_id, 40 if class_id == 20 else 50, b"\0\xc8\3bye\0\0\0\0")


def open_channel(number: int = 1) -> bytes:
    return method(number, 20, 10, short(""))


def publish(routing_key: str | bytes = "nobody", exchange: str | bytes = "") -> bytes:
    return method(1, 60, 40, b"\0\0" + short(exchange) + short(routing_key) + b"\0")


READY = (PROTOCOL_HEADER, start_ok(), tune_ok() + open_connection(), open_channel())
"""The steps that open a connection and channel 1."""


def ready(*steps: bytes) -> tuple[bytes, ...]:
    return (*READY, *steps)


def answers(data: bytes) -> Iterator[str]:
    """Yield a line for each frame that a server sent."""
    if data.startswith(b"AMQP"):
        yield f"header {data[4:8].hex()}"
        data = data[8:]
    while data:
        kind, channel, size = struct.unpack_from(">BHI", data)
        payload, data = data[7 : 7 + size], data[8 + size :]
        yield f"{channel}: {_line(kind, payload)}"


def _line(kind: int, payload: bytes) -> str:
    if kind != 1:
        return f"frame {kind} {payload.hex()}"
    ids = struct.unpack_from(">HH", payload)
    if ids == (10, 10):
        return "start"
    if ids in ((10, 50), (20, 40)):
        code, length = struct.unpack_from(">HB", payload, 4)
        text = payload[7 : 7 + length].decode("utf-8", "replace")
        cause = struct.unpack_from(">HH", payload, 7 + length)
        return f"{'connection' if ids[0] == 10 else 'channel'}.close {code} {text} {cause}"
    return f"{ids[0]}.{ids[1]} {payload[4:].hex()}".rstrip()


def whole_frames(data: bytes) -> int:
    """Return how many of these bytes are a protocol header and whole frames."""
    at = 8 if data.startswith(b"AMQP") else 0
    while len(data) >= at + 8:
        size = 8 + struct.unpack_from(">I", data, at + 3)[0]
        if len(data) < at + size:
            break
        at += size
    return at
