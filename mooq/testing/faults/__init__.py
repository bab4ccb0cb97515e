"""Faults of the network between a client and a broker, the same on both brokers.

``network.py`` implements the faults and decides what passes. ``tcp.py`` is the proxy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.testing.arguments import Arguments, arguments_of
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
    """Put a network that can fail in front of a broker for the block.

    Takes the arguments of :func:`mooq.connect` for the broker. Connections that use the returned
    object's ``arguments`` go through that network; others are not affected. An in-memory broker is
    then reached through TCP as well, so ``broker`` is ``"rabbit"`` in these arguments. Raises
    ``ValueError`` for a broker that is neither ``"rabbit"`` nor ``"in_memory"``.
    """
    from mooq.testing.faults.tcp import Network, Proxy

    target = arguments_of(broker, Address(host, port, username, password, virtual_host))
    if broker not in ("rabbit", "in_memory"):
        raise ValueError(f"broker must be 'rabbit' or 'in_memory', not {broker!r}")
    if broker == "in_memory":
        listening_at(target)  # in the running event loop, which is fastest

    def find() -> tuple[str, int]:
        return listening_at(target, in_thread=True) if broker == "in_memory" else (host, port)

    network = Network(lambda: Proxy(target, find=find))
    try:
        yield network.proxy
    finally:
        await network.close()


def listening_at(target: Arguments, *, in_thread: bool | None = None) -> tuple[str, int]:
    """Return host and port on which an in-memory broker listens; make it listen if needed.

    If no broker runs there, return those of the target, where nothing listens.
    """
    from mooq.client.in_memory import InMemoryBroker
    from mooq.transports.registry import REGISTRY

    where = target["host"], target["port"]
    with suppress(BrokerConnectionError, RuntimeError):
        broker = REGISTRY.find(*where)
        if isinstance(broker, InMemoryBroker):
            address = Address.from_url(broker.listen(in_thread=in_thread))
            return address.host, address.port
    return where
