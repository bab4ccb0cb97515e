"""The in-memory server without a socket, for counting the instructions of a message."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from benchmarks.measuring import Measure
from mooq.broker.broker import Broker
from mooq.server.driver import BrokerDriver
from mooq.server.protocol import ClientProtocol
from tests.raw_amqp import READY, body, frame, header, method, publish, short

BODY = b'{"id": 1, "name": "a message like many"}'
QUEUE = "q"
NO_ARGUMENTS = b"\0\0\0\0"
PUBLISH = publish(QUEUE) + header(len(BODY)) + body(BODY)
PREPARE = (
    method(1, 50, 10, b"\0\0" + short(QUEUE) + b"\0" + NO_ARGUMENTS),
    method(1, 60, 20, b"\0\0" + short(QUEUE) + short("c") + b"\0" + NO_ARGUMENTS),
    method(1, 85, 10, b"\0"),
)


class NoSocket(asyncio.Transport):
    """Discards written bytes, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0
        self._socket = socket.socket()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._socket

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += len(data)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None:
        self._socket.close()

    abort = close


def through_server(messages: int) -> Measure:
    """Return a function that publishes, confirms, delivers and acknowledges messages."""

    async def measure() -> float:
        driver = BrokerDriver(Broker({"guest": "guest"}, ["/"]), asyncio.get_running_loop())
        protocol, transport = ClientProtocol(driver, enforces_heartbeats=False), NoSocket()
        protocol.connection_made(transport)
        for step in (*READY, *PREPARE):
            protocol.data_received(step)
        before = transport.written
        for number in range(1, messages + 1):
            protocol.data_received(PUBLISH)
            protocol.data_received(frame(1, 1, struct.pack(">HHQB", 60, 80, number, 0)))
        assert transport.written - before > messages * len(BODY)
        protocol.connection_lost(None)
        transport.close()
        driver.close()
        return 0.0

    return measure
