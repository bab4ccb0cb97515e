"""Connections to one broker, used by one program after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable
from secrets import token_hex

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
        self._log = ""

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

    def watch(self, connection: WireConnection, channel: int) -> None:
        """Have a channel of a program consume from our quorum queue, which is always empty.

        A quorum queue learns some time after it that a channel has ended, and ours like any other.
        """
        if not self._log:
            self._log = f"wire.log.{token_hex(4)}"
            arguments = {"x-queue-type": "quorum"}
            conditions = (False, True, False, False, False)  # it is durable
            self._own().send(1, methods.QUEUE_DECLARE, 0, self._log, *conditions, arguments)
            self._own().take(1)
        flags = (False, True, False, False)  # it acknowledges nothing
        connection.send(channel, methods.BASIC_CONSUME, 0, self._log, self._log, *flags, {})
        connection.take(channel, lambda one: one.method is methods.BASIC_CONSUME_OK)

    def await_log(self, channels: int) -> None:
        """Return when quorum queues know that just so many channels are open, and have written.

        Raises :class:`~mooq.parity.wire.client.NoAnswer`.
        """
        connection = self._own()
        deadline = time.monotonic() + LONGEST_END
        while True:
            connection.send(1, methods.QUEUE_DECLARE, 0, self._log, True, *[False] * 4, {})
            if connection.take(1).values[2] == channels:
                break
            if time.monotonic() > deadline:
                raise NoAnswer("a quorum queue does not notice that a channel has ended")
        # Two answers: of what is written at once, either queue may be told first.
        for _ in range(2):
            connection.send(1, methods.BASIC_GET, 0, self._log, True)
            connection.take(1)

    def close(self) -> None:
        """Close all connections."""
        if self._log:
            self.delete([self._log], ())
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
