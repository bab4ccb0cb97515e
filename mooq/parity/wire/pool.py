"""Connections to one broker, used by one program after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable

from mooq.amqp import methods
from mooq.amqp.methods import Method
from mooq.basics.address import Address
from mooq.broker.refusals import CODES
from mooq.parity.wire.client import NoAnswer, WireConnection

LONGEST_END = 10.0  # seconds until an exclusive queue is gone with its connection
BETWEEN_LOOKS = 0.005


class ConnectionPool:
    """Open connections without channels, and one of its own, by which things are deleted."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[WireConnection] = []
        self._cleaning: WireConnection | None = None

    def take(self) -> WireConnection:
        """Return a connection without channels."""
        return self._idle.pop() if self._idle else WireConnection(self._address)

    def give_back(self, connection: WireConnection, channels: Iterable[int]) -> None:
        """Take a connection back, whose open channels are these."""
        numbers = list(channels)
        for number in numbers:
            connection.send(number, methods.CHANNEL_CLOSE, 200, "", 0, 0)
        for number in numbers:
            connection.take(number, lambda one: one.method is methods.CHANNEL_CLOSE_OK)
        connection.arrived.clear()
        self._idle.append(connection)

    def delete(self, queues: Iterable[str], exchanges: Iterable[str]) -> None:
        """Delete queues and exchanges of these names, those that exist."""
        connection = self._own()
        asked: list[tuple[Method, str, tuple[bool, ...]]]
        asked = [(methods.QUEUE_DELETE, name, (False, False, False)) for name in sorted(queues)]
        asked += [(methods.EXCHANGE_DELETE, name, (False, False)) for name in sorted(exchanges)]
        for method, name, conditions in asked:
            connection.send(1, method, 0, name, *conditions)
        for _ in asked:
            connection.take(1)

    def await_end(self, queue: str) -> None:
        """Return when an exclusive queue is gone, whose connection has ended.

        Raises :class:`~mooq.parity.wire.client.NoAnswer`.
        """
        deadline = time.monotonic() + LONGEST_END
        while True:
            connection = self._own()
            connection.send(1, methods.QUEUE_DECLARE, 0, queue, True, *[False] * 4, {})
            answer = connection.take(1)
            if answer.method is not methods.CHANNEL_CLOSE:
                return  # another has declared it meanwhile
            self._reopen(connection)
            if answer.values[0] != CODES["RESOURCE_LOCKED"]:
                return
            if time.monotonic() > deadline:
                raise NoAnswer(f"exclusive queue {queue} outlives its connection")
            time.sleep(BETWEEN_LOOKS)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._idle:
            connection.close()
        if self._cleaning is not None:
            self._cleaning.close()

    def _own(self) -> WireConnection:
        if self._cleaning is None:
            self._cleaning = WireConnection(self._address)
            self._cleaning.send(1, methods.CHANNEL_OPEN, "")
            self._cleaning.take(1)
        return self._cleaning

    def _reopen(self, connection: WireConnection) -> None:
        connection.send(1, methods.CHANNEL_CLOSE_OK)
        connection.send(1, methods.CHANNEL_OPEN, "")
        connection.take(1)
