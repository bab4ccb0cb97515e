"""The two brokers on which programs run."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from secrets import token_hex

from mooq.basics.address import Address
from mooq.broker.versions import DEFAULT
from mooq.client.channel import Channel
from mooq.client.connection import Connection
from mooq.client.in_memory import InMemoryBroker, InMemoryConnection
from mooq.client.rabbitmq import RabbitMQConnection
from mooq.errors import NothingToConsume
from mooq.parity import internals
from mooq.parity.conditions import until
from mooq.parity.versions import followed
from mooq.transports.message import IncomingMessage

Restarting = Callable[[], Awaitable[None]]


class Target(ABC):
    """A broker on which programs run in sequence, each with its own queues and exchanges."""

    version: str
    """Its version of RabbitMQ, or the version that it behaves as."""
    address: Address
    prefix: str
    """The prefix of the current program's queue and exchange names."""
    inspector: Channel
    """A channel on a connection that the program does not use."""

    @abstractmethod
    async def begin(self) -> None:
        """Prepare for a program."""

    @abstractmethod
    async def connect(self) -> Connection:
        """Open a connection for the program."""

    @abstractmethod
    async def release_connection(self, connection: Connection) -> None:
        """Release a connection of the program, whose channels are closed."""

    @abstractmethod
    async def restart(self) -> None:
        """Restart the broker."""

    @abstractmethod
    async def end(self, queues: Iterable[str], exchanges: Iterable[str]) -> None:
        """Delete the program's queues and exchanges."""

    async def drain(self, queue_name: str) -> list[IncomingMessage]:
        """Get all messages from a queue."""
        messages = []
        with contextlib.suppress(NothingToConsume):
            while True:
                messages.append(await self.inspector.get(queue_name))
        return messages


class InMemory(Target):
    """The in-memory broker, which behaves as a ``version`` of RabbitMQ."""

    _serial = count(1)

    def __init__(self, version: str = DEFAULT) -> None:
        self.version = version

    async def begin(self) -> None:
        self.prefix = "parity.00000000."  # same length as on RabbitMQ, because names are limited
        self.address: Address = Address(f"parity-{next(self._serial)}")
        self._broker = InMemoryBroker(
            host=self.address.host, port=self.address.port, version=followed(self.version)
        )
        await self._broker.run()
        self._inspecting = await self.connect()
        self.inspector: Channel = await self._inspecting.create_channel()

    async def connect(self) -> Connection:
        connection = InMemoryConnection(host=self.address.host, port=self.address.port)
        await connection.connect()
        return connection

    async def release_connection(self, connection: Connection) -> None:
        await connection.close()

    async def restart(self) -> None:
        await self._broker.run()
        await internals.recover(self._inspecting)

    async def end(self, queues: Iterable[str], exchanges: Iterable[str]) -> None:
        await self._inspecting.close()
        await self._broker.close()


class RabbitMQ(Target):
    """A running RabbitMQ; ``restart`` restarts it, for programs that need that.

    Queues and exchanges get unique names and are deleted after each program, so any user with
    permission to declare them is sufficient.
    """

    def __init__(self, address: Address, restart: Restarting | None = None) -> None:
        self.address: Address = address
        self._restart = restart
        self._inspecting: Connection | None = None
        self._idle: list[Connection] = []

    async def begin(self) -> None:
        self.prefix: str = f"parity.{token_hex(4)}."
        if self._inspecting is None:
            self._inspecting = await self.connect()
            self.version: str = internals.version(self._inspecting)
            self.is_mooq: bool = internals.is_mooq(self._inspecting)
            self.inspector: Channel = await self._inspecting.create_channel()

    async def connect(self) -> Connection:
        if self._idle:
            return self._idle.pop()
        connection = RabbitMQConnection(**self.address.where, ssl=self.address.ssl)
        await connection.connect()
        return connection

    async def release_connection(self, connection: Connection) -> None:
        if internals.is_closed(connection) or internals.is_lost(connection):
            await connection.close()
        else:
            self._idle.append(connection)  # opening two TCP connections costs as much as a program

    async def restart(self) -> None:
        if self._restart is None:
            raise ValueError(
                "the program restarts the broker; pass the command for this, such as "
                "'docker restart NAME'"
            )
        await self._restart()
        inspecting = self._inspecting
        assert inspecting is not None
        await until(lambda: _noticed(inspecting), "the loss of the connection to the old broker")
        await internals.recover(inspecting)

    async def end(self, queues: Iterable[str], exchanges: Iterable[str]) -> None:
        await internals.delete(self.inspector, queues, exchanges)

    async def close(self) -> None:
        """Disconnect."""
        for connection in self._idle:
            await connection.close()
        if self._inspecting is not None:
            await self._inspecting.close()


async def _noticed(connection: Connection) -> bool:
    return internals.is_lost(connection)
