"""connect(), the only place that chooses a broker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mooq.basics.address import Address, mask
from mooq.client.connection import CONNECT_TIMEOUT, Connection
from mooq.client.in_memory import InMemoryConnection
from mooq.client.rabbitmq import RabbitMQConnection
from mooq.client.recovery import DEFAULT_RECOVERY, Recovery
from mooq.transports.options import HEARTBEAT

if TYPE_CHECKING:
    from ssl import SSLContext

CONNECTIONS: dict[str, type[Connection]] = {
    "rabbit": RabbitMQConnection,
    "in_memory": InMemoryConnection,
}


async def connect(
    host: str = "localhost",
    port: int = 5672,
    broker: str = "rabbit",
    *,
    username: str | None = None,
    password: str | None = None,
    virtual_host: str | None = None,
    ssl: bool | SSLContext | None = None,
    timeout: float = CONNECT_TIMEOUT,
    url: str | Iterable[str] | None = None,
    recovery: Recovery = DEFAULT_RECOVERY,
    heartbeat: int = HEARTBEAT,
    channel_max: int = 0,
    client_name: str | None = None,
    client_properties: Mapping[str, Any] | None = None,
) -> Connection:
    """Connect to a broker: ``"rabbit"`` for RabbitMQ, ``"in_memory"`` for one in this process.

    Use the connection as an async context manager: ``async with await mooq.connect(…) as conn:``.

    ``username`` and ``password`` default to ``guest``, and ``virtual_host`` to ``/``. ``url`` has
    the form ``amqp://user:password@host:port/virtual_host`` or ``amqps://…``. It replaces host and
    port, and every other value that is not given separately. Several URLs are the nodes of one
    cluster. mooq tries them in this order, and after a lost connection starts with the next node.

    ``ssl`` is True for TLS that verifies the certificate and its host name with the authorities of
    this machine, or an ``ssl.SSLContext``. For the in-memory broker it is checked but has no
    effect. ``timeout`` is the time limit for connecting to each node, in seconds. ``recovery``
    configures how a lost connection is restored.

    ``heartbeat`` is the number of seconds after which a silent peer counts as dead; 0 means never.
    ``channel_max`` is the number of channels to ask for, one of which mooq uses itself; 0 means as
    many as the broker allows. ``client_name`` is the name of the connection in RabbitMQ's
    management UI, with ``consuming`` or ``publishing`` added. ``client_properties`` are shown there
    too.

    Raises :class:`~mooq.BrokerConnectionError` if nothing listens there, the host is unknown, the
    login or virtual host is refused, there is no answer within the timeout, TLS or a certificate
    fails, or the peer is not RabbitMQ. The text says which. Raises ``TypeError`` and ``ValueError``
    for arguments.
    """
    kind = CONNECTIONS.get(broker)
    if kind is None:
        said = mask(repr(broker))
        raise ValueError(f"broker must be one of {', '.join(CONNECTIONS)}, not {said}")
    if url is None:
        nodes = [Address(host, port, ssl=ssl)]
    else:
        nodes = [Address.from_url(each, ssl) for each in check_urls(url)]
    first, *further = [
        replace(
            node,
            username=node.username if username is None else username,
            password=node.password if password is None else password,
            virtual_host=node.virtual_host if virtual_host is None else virtual_host,
        )
        for node in nodes
    ]
    if any(node.virtual_host != first.virtual_host for node in further):
        raise ValueError("url names several virtual hosts; the nodes of a cluster share one")
    connection = kind(
        **first.where,
        ssl=first.ssl,
        timeout=timeout,
        further_nodes=further,
        recovery=recovery,
        heartbeat=heartbeat,
        channel_max=channel_max,
        client_name=client_name,
        client_properties=client_properties,
    )
    await connection.connect()
    return connection


def check_urls(url: str | Iterable[str]) -> list[str]:
    """Return the URLs of one or several nodes; raise ``TypeError`` or ``ValueError`` for none."""
    if isinstance(url, str) or not isinstance(url, Iterable):
        return [url]
    urls = list(url)
    if not urls:
        raise ValueError("url is an empty list; name at least one node")
    return urls
