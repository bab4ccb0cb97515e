"""TCP connections of clients: real clients, backpressure, errors and cleanup."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aio_pika
import pika
import pytest
import trustme

from mooq.broker import effects
from mooq.server.listener import Listener, ListenerThread
from tests.raw_amqp import (
    PROTOCOL_HEADER,
    READY,
    answers,
    body,
    header,
    method,
    open_channel,
    publish,
    short,
    whole_frames,
)
from tests.unit.server.small_broker import SmallBroker


def small_broker(*arguments: Any) -> Any:
    return SmallBroker(*arguments)  # type: ignore[no-untyped-call]


@pytest.fixture
def broker() -> Any:
    return small_broker()


@pytest.fixture
async def listener(broker: Any) -> AsyncIterator[Listener]:
    listener = Listener(broker)
    await listener.start()
    yield listener
    await listener.close()


@pytest.fixture
def thread(broker: Any) -> Iterator[ListenerThread]:
    thread = ListenerThread(Listener(broker))
    thread.start()
    yield thread
    thread.close()


class Peer:
    """A client that sends and reads raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._rest = b""

    @classmethod
    async def connect(cls, port: int, *, ready: bool = True) -> Peer:
        peer = cls(*await asyncio.open_connection("127.0.0.1", port))
        if ready:
            peer.writer.write(b"".join(READY))
            assert len(await peer.read(4)) == 4
        return peer

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def read(self, count: int) -> list[str]:
        """Return at least this many replies, or fewer if the server closes the connection."""
        lines: list[str] = []
        while len(lines) < count:
            data = await asyncio.wait_for(self.reader.read(1 << 16), 10)
            if not data:
                return [*lines, "end"]
            self._rest += data
            end = whole_frames(self._rest)
            lines += answers(self._rest[:end])
            self._rest = self._rest[end:]
        return lines

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.wait([asyncio.ensure_future(self.writer.wait_closed())])


def declare(name: str) -> bytes:
    return method(1, 50, 10, b"\0\0" + short(name) + b"\0\0\0\0\0")


def consume(name: str) -> bytes:
    return method(1, 60, 20, b"\0\0" + short(name) + short("tag") + b"\2\0\0\0\0")


CONFIRM = method(1, 85, 10, b"\0")


async def test_aio_pika_publishes_and_consumes(listener: Listener) -> None:
    connection = await aio_pika.connect(port=listener.port)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q")
        message = aio_pika.Message(b"hello", headers={"a": 1}, priority=3)
        await channel.default_exchange.publish(message, "q")
        got = await queue.get()
        await got.ack()
        assert (got.body, got.headers, got.priority) == (b"hello", {"a": 1}, 3)


def test_blocking_pika_publishes_and_consumes(thread: ListenerThread) -> None:
    parameters = pika.ConnectionParameters("127.0.0.1", thread.port)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q")
        for number in range(50):
            channel.basic_publish("", "q", b"%d" % number)
        got = []
        for deliver, _, content in channel.consume("q"):
            channel.basic_ack(deliver.delivery_tag)
            got.append(int(content))
            if len(got) == 50:
                break
        assert got == list(range(50))


async def test_pipelined_publishes_share_one_confirm(listener: Listener) -> None:
    peer = await Peer.connect(listener.port)
    peer.send(CONFIRM, (publish("nobody") + header(1) + body(b"x")) * 5)
    assert await peer.read(2) == ["1: 85.11", "1: 60.80 000000000000000501"]
    peer.send(publish("nobody") + header(0))
    assert await peer.read(1) == ["1: 60.80 000000000000000600"]
    await peer.close()


async def test_return_precedes_its_confirm(listener: Listener) -> None:
    peer = await Peer.connect(listener.port)
    mandatory = method(1, 60, 40, b"\0\0" + short("") + short("no") + b"\1") + header(0)
    peer.send(CONFIRM, publish() + header(0), mandatory, publish() + header(0))
    lines = await peer.read(5)
    assert [line[:8] for line in lines[1:]] == ["1: 60.80", "1: 60.50", "1: frame", "1: 60.80"]
    assert [lines[1][9:], lines[4][9:]] == ["000000000000000100", "000000000000000301"]
    await peer.close()


async def test_reply_follows_earlier_confirms(listener: Listener) -> None:
    peer = await Peer.connect(listener.port)
    peer.send(CONFIRM, publish() + header(0), declare("q"))
    assert [line[:8] for line in await peer.read(3)] == ["1: 85.11", "1: 60.80", "1: 50.11"]
    await peer.close()


async def test_consume_ok_precedes_deliveries(listener: Listener) -> None:
    peer = await Peer.connect(listener.port)
    peer.send(declare("q"), publish("q") + header(1) + body(b"x"), consume("q"))
    assert [line[:8] for line in await peer.read(5)] == [
        "1: 50.11",
        "1: 60.21",
        "1: 60.60",
        "1: frame",
        "1: frame",
    ]
    await peer.close()


async def test_refused_publish_keeps_earlier_messages(broker: Any, listener: Listener) -> None:
    peer = await Peer.connect(listener.port)
    good = publish("q") + header(1) + body(b"x")
    peer.send(declare("q"), CONFIRM, good * 3, publish("q", "missing") + header(0), good)
    lines = await peer.read(4)
    assert lines[2:] == [
        "1: 60.80 000000000000000301",
        "1: channel.close 404 NOT_FOUND - no exchange 'missing' in vhost '/' (60, 40)",
    ]
    assert len(broker.queues["q"].ready) == 3
    await peer.close()


async def test_broker_error_closes_connection_with_541(
    broker: Any, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    other = await Peer.connect(listener.port)
    peer = await Peer.connect(listener.port)
    broker.queues = None
    with caplog.at_level(logging.CRITICAL, "mooq.server"):
        peer.send(declare("q"))
        assert await peer.read(1) == ["0: connection.close 541 INTERNAL_ERROR (0, 0)"]
    broker.queues = {}
    other.send(declare("q"))
    assert len(await other.read(1)) == 1
    await peer.close()
    await other.close()


async def test_slow_reader_uses_bounded_memory(broker: Any, listener: Listener) -> None:
    slow = await Peer.connect(listener.port)
    slow.send(declare("q"), consume("q"))
    await slow.read(2)
    slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
    fast = await Peer.connect(listener.port)
    message = publish("q") + header(100_000) + body(b"x" * 100_000)
    for _ in range(200):
        fast.send(message * 2, method(1, 20, 20, b"\1"))
        assert await fast.read(1) == ["1: 20.21 01"]
    kept = [
        protocol._transport.get_write_buffer_size()
        for protocol in listener.driver.protocols.values()
    ]
    assert max(kept) < 3_000_000
    assert len(broker.queues["q"].ready) > 200  # held in the queue, not sent
    slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
    lines = await slow.read(400 * 3)
    assert len([line for line in lines if line.startswith("1: 60.60")]) == 400
    await slow.close()
    await fast.close()


async def test_requests_wait_until_replies_are_read(listener: Listener) -> None:
    peer = await Peer.connect(listener.port)
    peer.send(declare("q"), (publish("q") + header(100_000) + body(b"x" * 100_000)) * 300)
    get = method(1, 60, 70, b"\0\0" + short("q") + b"\1")
    peer.send(get * 300)
    lines = await peer.read(1 + 300 * 3)
    assert len([line for line in lines if line.startswith("1: 60.71")]) == 300
    await peer.close()


async def test_blocked_connection_is_notified_and_resumes(broker: Any, listener: Listener) -> None:
    peer = await Peer.connect(listener.port)
    broker.has_alarm = True
    peer.send(declare("q"), publish("q") + header(1) + body(b"x"), declare("q"))
    lines = await peer.read(2)
    assert lines[1] == "0: 10.60 0d6c6f77206f6e206d656d6f7279"
    broker.has_alarm = False
    broker.outbox.append(effects.Unblocked(broker.connections[0]))
    listener.driver.flush()
    assert [line[:8] for line in await peer.read(2)] == ["0: 10.61", "1: 50.11"]
    assert len(broker.queues["q"].ready) == 1
    await peer.close()


async def test_lost_connection_requeues_messages(broker: Any, listener: Listener) -> None:
    peer = await Peer.connect(listener.port)
    peer.send(
        declare("q"), publish("q") + header(0), method(1, 60, 70, b"\0\0" + short("q") + b"\0")
    )
    await peer.read(2)
    assert not broker.queues["q"].ready
    (protocol,) = listener.driver.protocols.values()
    await peer.close()
    await protocol.closed
    assert len(broker.queues["q"].ready) == 1


async def test_certificate_enables_amqps(tmp_path: Path, broker: Any) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    listener = Listener(broker, ssl=context)
    await listener.start()
    url = f"amqps://guest:guest@127.0.0.1:{listener.port}/?cafile={trusted}"
    async with await aio_pika.connect(url) as connection:
        assert (await (await connection.channel()).declare_queue("q")).name == "q"
    await listener.close()


async def test_closing_notifies_clients_and_frees_resources(broker: Any) -> None:
    listener = Listener(broker)
    await listener.start()
    peers = [await Peer.connect(listener.port) for _ in range(5)]
    silent = await Peer.connect(listener.port, ready=False)
    silent.writer.transport.pause_reading()  # type: ignore[attr-defined]
    before = asyncio.all_tasks()
    await listener.close()
    await listener.close()
    for peer in peers:
        assert await peer.read(2) == [
            "0: connection.close 320 CONNECTION_FORCED - broker forced connection closure with "
            "reason 'shutdown' (0, 0)",
            "end",
        ]
        await peer.close()
    await silent.close()
    assert not broker.connections
    assert asyncio.all_tasks() <= before
    with (
        pytest.raises(OSError, match="refused"),
        socket.create_connection(("127.0.0.1", listener.port)),
    ):
        pass


async def test_thousand_connections_are_served_at_once(listener: Listener) -> None:
    peers = await asyncio.gather(*(Peer.connect(listener.port) for _ in range(1000)))
    for peer in peers:
        peer.send(open_channel(2))
    for peer in peers:
        assert await peer.read(1) == ["2: 20.11 00000000"]
    for peer in peers:
        peer.writer.transport.abort()
    await asyncio.wait([protocol.closed for protocol in listener.driver.protocols.values()])


def test_thread_owns_the_broker(thread: ListenerThread) -> None:
    assert thread.call(lambda _: threading.current_thread().name) == "mooq server"
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda _: 1 // 0)


def test_closed_thread_leaves_nothing_behind(broker: Any) -> None:
    before = threading.active_count()
    thread = ListenerThread(Listener(broker))
    thread.start()
    with socket.create_connection(("127.0.0.1", thread.port)) as peer:
        peer.sendall(PROTOCOL_HEADER)
        assert peer.recv(100)
        thread.close()
        thread.close()
    assert threading.active_count() == before


def test_taken_port_raises_an_error(thread: ListenerThread) -> None:
    before = threading.active_count()
    other = ListenerThread(Listener(small_broker(), port=thread.port))
    with pytest.raises(OSError, match="in use"):
        other.start()
    assert threading.active_count() == before


@pytest.mark.parametrize(("host", "warnings"), [("127.0.0.1", 0), ("0.0.0.0", 1)])  # noqa: S104
async def test_listening_on_all_interfaces_is_logged(
    broker: Any, host: str, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(broker, host=host)
    await listener.start()
    await listener.close()
    assert len(caplog.records) == warnings
