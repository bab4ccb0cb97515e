"""connect(): the only place that chooses a broker."""

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

    The connection is an async context manager, ``async with await mooq.connect(…) as conn:``.
    ``username`` and ``password`` are ``guest`` and ``virtual_host`` is ``/`` unless given.
    ``ssl`` is True for TLS with the certificate and its host name verified against the
    authorities that this machine trusts, or an ``ssl.SSLContext`` that says otherwise; to the
    broker in memory nothing travels, so there it is checked and changes nothing. ``timeout`` in
    seconds bounds connecting, to each node.
    ``url``, ``amqp://user:password@host:port/virtual_host`` or ``amqps://…``, stands for host
    and port and for what is not given otherwise; several of them are nodes of one cluster, tried
    in this order, and from the next one on after one was lost. ``recovery`` is how a lost
    connection comes back.

    ``heartbeat`` is the seconds after which a silent peer may be taken for dead, 0 for never;
    ``channel_max`` the most channels to ask for, one of them for mooq itself, 0 for as many as the
    broker allows; ``client_name`` what the connection is called in RabbitMQ's management, with
    ``consuming`` or ``publishing``, and ``client_properties`` what is said of the client there.

    Raises :class:`~mooq.BrokerConnectionError`, saying which of these it was: nothing listens
    there, the host is unknown, login or virtual host are refused, nobody answers within the
    timeout, TLS or a certificate fails, or what answers is no RabbitMQ. ``TypeError`` and
    ``ValueError`` for arguments.
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
    """Return the URLs of one node or several; ``TypeError`` and ``ValueError`` for none."""
    if isinstance(url, str) or not isinstance(url, Iterable):
        return [url]
    urls = list(url)
    if not urls:
        raise ValueError("url is an empty list; name at least one node")
    return urls
