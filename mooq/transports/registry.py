"""The table of all brokers that run in this process, by the names of their addresses."""

from __future__ import annotations

import asyncio
from typing import Protocol

from mooq.basics.address import broker_name, host_and_port
from mooq.errors import BrokerConnectionError
from mooq.transports.mailbox import SharedBroker


class RunningBroker(Protocol):
    """The interface that RabbitMQBroker and InMemoryBroker share."""

    host: str
    port: int
    name: str

    async def run(self, is_running: asyncio.Future[None] | None = None) -> None:
        """Start, or restart."""

    async def close(self) -> None:
        """Stop."""


class Registry:
    """The brokers of this process."""

    def __init__(self) -> None:
        self.in_memory: dict[str, SharedBroker] = {}
        """The running in-memory brokers."""
        self._brokers: dict[str, RunningBroker] = {}

    def register(self, broker: RunningBroker) -> None:
        """Register a broker under its name, replacing an earlier one."""
        self._brokers[broker.name] = broker

    def unregister(self, broker: RunningBroker) -> None:
        """Remove a broker, unless another has its name by now."""
        if self._brokers.get(broker.name) is broker:
            del self._brokers[broker.name]

    def find(self, host: str, port: int) -> RunningBroker:
        """Return the broker at an address.

        Raises :class:`~mooq.BrokerConnectionError` without one.
        """
        try:
            return self._brokers[broker_name(host, port)]
        except KeyError:
            raise BrokerConnectionError(
                f"no in-memory broker is running at {host_and_port(host, port)} in this process; "
                "start one first"
            ) from None


REGISTRY = Registry()
