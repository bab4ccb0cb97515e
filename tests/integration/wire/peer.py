"""A client that sends AMQP methods one by one and returns the replies as text."""

from __future__ import annotations

import json
import re
import socket
import struct
from typing import Any, Self

from pamqp import commands, frame, header
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Confirm

LONGEST_ANSWER = 20.0  # seconds
CAPABILITIES: dict[str, Any] = {
    "capabilities": {
        "consumer_cancel_notify": True,
        "basic.nack": True,
        "publisher_confirms": True,
    }
}
CLOSES = ("Channel.Close", "Connection.Close")
UNANSWERED = ("Basic.Ack", "Basic.Nack", "Basic.Reject")

Step = Frame | bytes
"""A method, or the frames of a publish."""


class Peer:
    """A connection with one channel in confirm mode."""

    def __init__(self, port: int, virtual_host: str) -> None:
        self._port = port
        self._virtual_host = virtual_host
        self._data = b""

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _connect(self) -> None:
        self._data = b""
        self._socket = socket.create_connection(("127.0.0.1", self._port), LONGEST_ANSWER)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"AMQP\0\0\x09\x01")
        self._frame()
        login = commands.Connection.StartOk(CAPABILITIES, "PLAIN", "\0guest\0guest", "en_US")
        self._send(login, 0)
        self._frame()
        self._send(commands.Connection.TuneOk(2047, 131_072, 0), 0)
        self._send(commands.Connection.Open(self._virtual_host), 0)
        self._frame()
        self._open()

    def _open(self) -> None:
        for method in (Channel.Open(), Confirm.Select()):
            self._send(method)
            self._frame()

    def _send(self, method: Frame, channel: int = 1) -> None:
        self._socket.sendall(frame.marshal(method, channel))

    def _frame(self) -> Any:
        while True:
            if len(self._data) >= 8:
                size = 8 + int(struct.unpack(">I", self._data[3:7])[0])
                if len(self._data) >= size:
                    found = frame.unmarshal(self._data[:size])[2]
                    self._data = self._data[size:]
                    return found
            data = self._socket.recv(2**16)
            if not data:
                raise EOFError
            self._data += data

    def ask(self, step: Step) -> list[str]:
        """Send a step; return all replies, up to the one that ends it."""
        replies: list[str] = []
        try:
            last = self._ask(step, replies)
        except (EOFError, OSError):
            replies.append("end")
            last = "end"
        if last == "Channel.Close":
            self._send(Channel.CloseOk())
            self._open()
        elif last in ("Connection.Close", "end"):
            self._socket.close()
            self._connect()
        return replies

    def _ask(self, step: Step, replies: list[str]) -> str:
        if isinstance(step, bytes):
            self._socket.sendall(step)
            return self._until(("Basic.Ack", "Basic.Nack"), replies)
        self._send(step)
        if step.name in UNANSWERED:
            self._send(Channel.Flow(active=True))
            return self._until(("Channel.FlowOk",), replies)
        return self._until(tuple(step.valid_responses), replies)

    def _until(self, names: tuple[str, ...], replies: list[str]) -> str:
        while True:
            found = self._frame()
            replies.append(as_text(found))
            name = str(getattr(found, "name", ""))
            if name == "Basic.GetOk":
                replies += [as_text(self._frame()), as_text(self._frame())]
            if name in names or name in CLOSES:
                return name


def publish(
    exchange: str, key: str, body: bytes, *, mandatory: bool = False, **properties: Any
) -> bytes:
    """Return the frames of a publish."""
    parts = (
        Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory),
        header.ContentHeader(0, len(body), Basic.Properties(**properties)),
        ContentBody(body),
    )
    return b"".join(frame.marshal(part, 1) for part in parts)


def as_text(part: Any) -> str:
    """Return a frame as text, with placeholders for generated names and times."""
    if isinstance(part, header.ContentHeader):
        values = {name: str(value) for name, value in part.properties if value is not None}
        text = f"header {json.dumps(values, sort_keys=True)}"
    elif isinstance(part, ContentBody):
        return f"body {part.value!r}"
    else:
        values = {name: value for name, value in part if value not in ("", False, None)}
        text = f"{part.name} {values}"
    text = re.sub(r"datetime\.datetime\(.*?\)\)", "TIME", text)
    return re.sub(r"amq\.gen-[\w-]+", "QUEUE", text)


def step_as_text(step: Step) -> str:
    """Return a step as text."""
    if not isinstance(step, bytes):
        return as_text(step)
    texts = []
    while step:
        size, _, part = frame.unmarshal(step)
        texts.append(as_text(part))
        step = step[size:]
    return ", ".join(texts)
