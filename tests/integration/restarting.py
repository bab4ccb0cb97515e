"""Brokers that tests can make fail: by restarts, kills or cut connections."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import mooq
from mooq.basics.address import Address
from mooq.launchers import RabbitMQBroker
from mooq.launchers.ports import LOOPBACK, free_port
from mooq.testing.faults import Faults
from mooq.transports.rabbit import RabbitTransport
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT
from tests.managed_docker import ManagedDockerLauncher
from tests.shared_broker import READY_TIMEOUT, MissingError, leave_out

L = TypeVar("L", bound=ManagedDockerLauncher)


class Unsteady(ABC):
    """A broker whose failure a test can trigger."""

    keeps_transient = False
    """Whether transient, non-exclusive queues and messages survive the failure."""

    def __init__(self, address: BrokerAddress) -> None:
        self.address = address

    @abstractmethod
    async def fail(self) -> None:
        """Make the broker fail; return when it answers again."""


class RestartedInMemory(Unsteady):
    """An in-memory broker that run() restarts."""

    def __init__(self, address: BrokerAddress, broker: mooq.InMemoryBroker) -> None:
        super().__init__(address)
        self._broker = broker

    async def fail(self) -> None:
        await self._broker.run()


class CutOffInMemory(RestartedInMemory):
    """Goes on, without its connections."""

    keeps_transient = True

    async def fail(self) -> None:
        self._broker.drop_connections()


class CutOffRabbitMQ(Unsteady):
    """Goes on, without its connections."""

    keeps_transient = True

    def __init__(self, faults: Faults) -> None:
        super().__init__(faults.arguments)
        self._faults = faults

    async def fail(self) -> None:
        address = {name: value for name, value in self.address.items() if name != "broker"}
        canary, is_lost = RabbitTransport(Address(**address)), asyncio.Event()  # type: ignore[arg-type]
        await canary.open(LONGEST_WAIT)
        canary.on_lost = is_lost.set
        self._faults.cut()
        await is_lost.wait()  # so the other connections have noticed it as well
        await canary.close()


class OnRabbitMQ(Unsteady):
    """A RabbitMQ that restarts once, when all parties have asked for it."""

    def __init__(self, address: BrokerAddress, broker: RabbitMQBroker, parties: int) -> None:
        super().__init__(address)
        self._broker = broker
        self._missing = parties
        self._restarted = asyncio.get_running_loop().create_future()

    async def fail(self) -> None:
        self._missing -= 1
        if self._missing == 0:
            await self._broker.run()
            self._restarted.set_result(None)
        await asyncio.shield(self._restarted)


class KillingLauncher(ManagedDockerLauncher):
    """A launcher that kills RabbitMQ, as a power failure does."""

    async def restart(self) -> None:
        node = self._prepared().get_wrapped_container()

        def kill_and_start() -> None:
            node.kill()
            node.start()

        await self._ask("kill and start", kill_and_start)


@asynccontextmanager
async def in_memory(kind: type[RestartedInMemory]) -> AsyncIterator[Unsteady]:
    """Run an in-memory broker."""
    address: BrokerAddress = {
        "broker": "in_memory",
        "host": "restartable",
        "port": 1,
        "username": "guest",
        "password": "guest",
        "virtual_host": "/",
    }
    async with mooq.InMemoryBroker(host=address["host"], port=address["port"]) as broker:
        yield kind(address, broker)


class ControlledLauncher(ManagedDockerLauncher):
    """A launcher with access to RabbitMQ's command line."""

    async def control(self, *arguments: str) -> None:
        """Run ``rabbitmqctl``."""
        node = self._prepared().get_wrapped_container()
        status, output = await self._ask(
            "run rabbitmqctl in", lambda: node.exec_run(["rabbitmqctl", *arguments])
        )
        assert status == 0, output.decode()


@asynccontextmanager
async def own_rabbitmq(
    launcher_class: type[L],
) -> AsyncIterator[tuple[BrokerAddress, RabbitMQBroker, L]]:
    """Run RabbitMQ in a separate container."""
    address: BrokerAddress = {
        "broker": "rabbit",
        "host": LOOPBACK,
        "port": free_port(),
        "username": "guest",
        "password": "guest",
        "virtual_host": "/",
    }
    launcher = launcher_class(Address(LOOPBACK, address["port"]), free_port())
    broker = RabbitMQBroker(
        host=LOOPBACK, port=address["port"], launcher=launcher, timeout=READY_TIMEOUT
    )
    try:
        await broker.run()
    except MissingError as error:
        leave_out(str(error))
    try:
        yield address, broker, launcher
    finally:
        await broker.close()


@asynccontextmanager
async def on_rabbitmq(
    launcher_class: type[ManagedDockerLauncher], parties: int
) -> AsyncIterator[Unsteady]:
    """Run RabbitMQ in a container that restarts when this many parties ask for it."""
    async with own_rabbitmq(launcher_class) as (address, broker, _):
        yield OnRabbitMQ(address, broker, parties)
