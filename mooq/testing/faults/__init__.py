"""Faults of the network between a client and a broker, the same by name on both brokers.

``network.py`` has the faults and decides what passes; ``tcp.py`` is the network before a RabbitMQ,
``memory.py`` the one before a broker in memory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.faults.network import Faults

__all__ = ["Faults", "faults_before"]


@asynccontextmanager
async def faults_before(
    host: str = "localhost",
    port: int = 5672,
    broker: str = "rabbit",
    *,
    username: str = "guest",
    password: str = "guest",  # noqa: S107 - RabbitMQ's own default
    virtual_host: str = "/",
) -> AsyncIterator[Faults]:
    """Put a network that can fail before a broker, for as long as the block lasts.

    Takes the arguments of :func:`mooq.connect` that lead to the broker. ``arguments`` of what is
    returned lead there by way of that network; whoever keeps to the former is not concerned.
    Raises ``ValueError`` for a broker that is neither ``"rabbit"`` nor ``"in_memory"``.
    """
    target = arguments_of(broker, Address(host, port, username, password, virtual_host))
    if broker == "in_memory":
        from mooq.testing.faults.memory import network_before
    elif broker == "rabbit":
        from mooq.testing.faults.tcp import network_before
    else:
        raise ValueError(f"broker must be 'rabbit' or 'in_memory', not {broker!r}")
    async with network_before(target) as faults:
        yield faults
