"""The brokers that run in this process, by name."""

from __future__ import annotations

import asyncio
from typing import Protocol

from mooq.basics.address import broker_name
from mooq.errors import BrokerConnectionError


class RunningBroker(Protocol):
    """What RabbitMQBroker and InMemoryBroker have in common."""

    host: str
    port: int
    name: str

    async def run(self, is_running: asyncio.Future[None] | None = None) -> None:
        """Start, or start anew."""

    async def close(self) -> None:
        """End for good."""


_brokers: dict[str, RunningBroker] = {}


def register(broker: RunningBroker) -> None:
    """Make a broker known under its name, in place of an earlier one there."""
    _brokers[broker.name] = broker


def unregister(broker: RunningBroker) -> None:
    """Forget a broker, unless another has taken its name."""
    if _brokers.get(broker.name) is broker:
        del _brokers[broker.name]


def find(host: str, port: int) -> RunningBroker:
    """Return the broker at an address; raise :class:`~mooq.BrokerConnectionError` without one."""
    try:
        return _brokers[broker_name(host, port)]
    except KeyError:
        raise BrokerConnectionError(
            f"no broker of this process runs at {host}:{port}; run one there first"
        ) from None
