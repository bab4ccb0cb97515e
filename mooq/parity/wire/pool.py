"""Connections to one broker, reused by successive programs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from secrets import token_hex

from mooq.amqp import methods
from mooq.amqp.methods import Method
from mooq.basics.address import Address
from mooq.broker.refusals import CODES
from mooq.parity.wire.client import NoAnswer, WireConnection

LONGEST_CLEANUP = 10.0  # seconds until the exclusive queues of a closed connection are deleted
POLL_INTERVAL = 0.005


class ConnectionPool:
    """Open connections without channels, and a control connection for clean-up and checks."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[WireConnection] = []
        self._controller: WireConnection | None = None
        self._log_queue = ""

    def take(self) -> WireConnection:
        """Return a connection without channels."""
        return self._idle.pop() if self._idle else WireConnection(self._address)

    def release(self, connection: WireConnection, channels: Iterable[int]) -> None:
        """Return a connection to the pool, and close its open channels."""
        numbers = list(channels)
        for number in numbers:
            connection.send(number, methods.CHANNEL_CLOSE, 200, "", 0, 0)
        for number in numbers:
            connection.take(number, lambda one: one.method is methods.CHANNEL_CLOSE_OK)
        connection.arrived.clear()
        self._idle.append(connection)

    def delete(self, queues: Iterable[str], exchanges: Iterable[str]) -> None:
        """Delete the queues and exchanges with these names, if they exist."""
        connection = self._control()
        asked: list[tuple[Method, str, tuple[bool, ...]]]
        asked = [(methods.QUEUE_DELETE, name, (False, False, False)) for name in sorted(queues)]
        asked += [(methods.EXCHANGE_DELETE, name, (False, False)) for name in sorted(exchanges)]
        for method, name, conditions in asked:
            connection.send(1, method, 0, name, *conditions)
        for _ in asked:
            connection.take(1)

    def await_end(self, queue: str) -> None:
        """Return when an exclusive queue of a closed connection is deleted.

        Raises :class:`~mooq.parity.wire.client.NoAnswer`.
        """
        deadline = time.monotonic() + LONGEST_CLEANUP
        while True:
            connection = self._control()
            connection.send(1, methods.QUEUE_DECLARE, 0, queue, True, *[False] * 4, {})
            answer = connection.take(1)
            if answer.method is not methods.CHANNEL_CLOSE:
                return  # another connection has declared it meanwhile
            self._reopen(connection)
            if answer.values[0] != CODES["RESOURCE_LOCKED"]:
                return
            if time.monotonic() > deadline:
                raise NoAnswer(f"exclusive queue {queue} outlives its connection")
            time.sleep(POLL_INTERVAL)

    def consume_log(self, connection: WireConnection, channel: int) -> None:
        """Consume from the pool's quorum queue, which is always empty, on a program's channel.

        Quorum queues notice a closed channel some time later, this queue like the others.
        """
        if not self._log_queue:
            self._log_queue = f"wire.log.{token_hex(4)}"
            arguments = {"x-queue-type": "quorum"}
            durable = (False, True, False, False, False)
            self._control().send(1, methods.QUEUE_DECLARE, 0, self._log_queue, *durable, arguments)
            self._control().take(1)
        no_ack = (False, True, False, False)
        names = self._log_queue, self._log_queue  # of the queue and the consumer
        connection.send(channel, methods.BASIC_CONSUME, 0, *names, *no_ack, {})
        connection.take(channel, lambda one: one.method is methods.BASIC_CONSUME_OK)

    def await_log(self, channels: int) -> None:
        """Return when quorum queues see this number of open channels, and have written the log.

        Raises :class:`~mooq.parity.wire.client.NoAnswer`.
        """
        connection = self._control()
        deadline = time.monotonic() + LONGEST_CLEANUP
        while True:
            connection.send(1, methods.QUEUE_DECLARE, 0, self._log_queue, True, *[False] * 4, {})
            if connection.take(1).values[2] == channels:
                break
            if time.monotonic() > deadline:
                raise NoAnswer("a quorum queue does not notice that a channel has ended")
        # Ask twice: of two commands that are written together, either may be applied first.
        for _ in range(2):
            connection.send(1, methods.BASIC_GET, 0, self._log_queue, True)
            connection.take(1)

    def close(self) -> None:
        """Close all connections."""
        if self._log_queue:
            self.delete([self._log_queue], ())
        for connection in self._idle:
            connection.close()
        if self._controller is not None:
            self._controller.close()

    def _control(self) -> WireConnection:
        if self._controller is None:
            self._controller = WireConnection(self._address)
            self._controller.send(1, methods.CHANNEL_OPEN, "")
            self._controller.take(1)
        return self._controller

    def _reopen(self, connection: WireConnection) -> None:
        connection.send(1, methods.CHANNEL_CLOSE_OK)
        connection.send(1, methods.CHANNEL_OPEN, "")
        connection.take(1)
