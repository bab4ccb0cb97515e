"""Speed of `mooq serve` and RabbitMQ alone, with a minimal client.

``python -m benchmarks.frames amqp://guest:guest@localhost:5672/``

The client runs on core 1. It sends prepared frames, and counts received frames by their size.
`mooq serve` is pinned to core 0. Start RabbitMQ there too, so that Erlang has one scheduler:
``docker run --cpuset-cpus 0 --publish 127.0.0.1:5672:5672 IMAGE``.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from time import perf_counter
from urllib.parse import urlsplit

from benchmarks.measuring import Measure, Ratio, compare, run
from benchmarks.serve_command import own_process
from tests.raw_amqp import READY, body, frame, header, method, publish, short, whole_frames

MESSAGES = 20_000
BATCH = 500  # sent at once, and waited for
BODY = b'{"id": 1, "name": "a message like many"}'
QUEUE = "mooq-benchmark"
ACK = struct.Struct(">BHIHHQBB")  # basic.ack as a frame, its end included
NO_ARGUMENTS = b"\0\0\0\0"
EXCLUSIVE = 1 << 2
PUBLISH = publish(QUEUE) + header(len(BODY)) + body(BODY)


class Peer:
    """A connection with one channel and an exclusive queue."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._socket = socket.create_connection((where.hostname, where.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for step, answers in zip(READY, (1, 1, 1, 1), strict=True):
            self.ask(step, answers)
        declare = b"\0\0" + short(QUEUE) + bytes([EXCLUSIVE]) + NO_ARGUMENTS
        self.ask(method(1, 50, 10, declare))

    def ask(self, request: bytes, answers: int = 1) -> None:
        """Send a request, and wait for a number of frames."""
        self._socket.sendall(request)
        received = b""
        while whole_frames(received) < answers:
            received += self._read()

    def send(self, data: bytes) -> None:
        """Send all the data."""
        self._socket.sendall(data)

    def _read(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the server hung up")
        return data

    def read(self, size: int) -> bytes:
        """Read an exact number of bytes."""
        parts = []
        while size:
            parts.append(data := self._socket.recv(min(size, 1 << 20)))
            if not data:
                raise ConnectionError("the server hung up")
            size -= len(data)
        return b"".join(parts)

    def confirmed(self, until: int) -> None:
        """Wait for the confirm of this message, whose frame may stand for those before it."""
        tag = 0
        rest = b""
        while tag < until:
            rest += self._read()
            whole = len(rest) // ACK.size * ACK.size
            if whole:
                tag = ACK.unpack_from(rest, whole - ACK.size)[5]
            rest = rest[whole:]

    def close(self) -> None:
        """Hang up; the queue goes too."""
        self._socket.close()


def publishing(url: str) -> Measure:
    """Measure a publish and its confirm, in batches."""
    batch = PUBLISH * BATCH

    async def measure() -> float:
        peer = Peer(url)
        peer.ask(method(1, 85, 10, b"\0"))
        start = perf_counter()
        for done in range(0, MESSAGES, BATCH):
            peer.send(batch)
            peer.confirmed(done + BATCH)
        seconds = perf_counter() - start
        peer.close()
        return seconds / MESSAGES

    return measure


def delivering(url: str) -> Measure:
    """Measure a delivery and its acknowledgement, with a prefetch of two batches."""
    acks = [
        b"".join(
            frame(1, 1, struct.pack(">HHQB", 60, 80, tag, 0))
            for tag in range(done + 1, done + BATCH + 1)
        )
        for done in range(0, MESSAGES, BATCH)
    ]
    tag = b"c"
    delivered = struct.pack(">HHB1sQB", 60, 60, 1, tag, 1, 0) + b"\0" + short(QUEUE)
    size = len(frame(1, 1, delivered) + header(len(BODY)) + body(BODY))

    async def measure() -> float:
        peer = Peer(url)
        peer.ask(method(1, 85, 10, b"\0"))
        for done in range(0, MESSAGES, BATCH):
            peer.send(PUBLISH * BATCH)
            peer.confirmed(done + BATCH)
        peer.ask(method(1, 60, 10, struct.pack(">IHB", 0, 2 * BATCH, 0)))
        consume = b"\0\0" + short(QUEUE) + short(tag) + b"\0" + NO_ARGUMENTS
        start = perf_counter()
        peer.send(method(1, 60, 20, consume))
        peer.read(len(method(1, 60, 21, short(tag))))
        for ready in acks:
            peer.read(size * BATCH)
            peer.send(ready)
        peer.ask(method(1, 60, 10, struct.pack(">IHB", 0, 0, 0)))
        seconds = perf_counter() - start
        peer.close()
        return seconds / MESSAGES

    return measure


async def main(rabbitmq: str) -> list[Ratio]:
    """Measure both kinds."""
    os.sched_setaffinity(0, {0})
    async with own_process() as url:  # it inherits the core
        os.sched_setaffinity(0, {1})
        return [
            await compare(name, kind(url), "RabbitMQ", kind(rabbitmq), "≥ 1.5")
            for name, kind in (
                ("server alone: publish and confirm", publishing),
                ("server alone: deliver and acknowledge", delivering),
            )
        ]


if __name__ == "__main__":
    run(lambda: main(sys.argv[1]), "server alone")
