"""connect(): the only place that chooses a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from mooq.address import Address
from mooq.connection import CONNECT_TIMEOUT
from mooq.in_memory import InMemoryConnection
from mooq.rabbitmq import RabbitMQConnection

if TYPE_CHECKING:
    from ssl import SSLContext

CONNECTIONS: dict[str, type[RabbitMQConnection] | type[InMemoryConnection]] = {
    "rabbit": RabbitMQConnection,
    "in_memory": InMemoryConnection,
}


@overload
async def connect(
    host: str = ...,
    port: int = ...,
    broker: Literal["rabbit"] = ...,
    *,
    username: str | None = ...,
    password: str | None = ...,
    virtual_host: str | None = ...,
    ssl: bool | SSLContext | None = ...,
    timeout: float = ...,
    url: str | None = ...,
) -> RabbitMQConnection: ...


@overload
async def connect(
    host: str = ...,
    port: int = ...,
    broker: Literal["in_memory"] = ...,
    *,
    username: str | None = ...,
    password: str | None = ...,
    virtual_host: str | None = ...,
    ssl: bool | SSLContext | None = ...,
    timeout: float = ...,
    url: str | None = ...,
) -> InMemoryConnection: ...


@overload
async def connect(
    host: str = ...,
    port: int = ...,
    broker: str = ...,
    *,
    username: str | None = ...,
    password: str | None = ...,
    virtual_host: str | None = ...,
    ssl: bool | SSLContext | None = ...,
    timeout: float = ...,
    url: str | None = ...,
) -> RabbitMQConnection | InMemoryConnection: ...


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
    url: str | None = None,
) -> RabbitMQConnection | InMemoryConnection:
    """Connect to a broker: ``"rabbit"`` for RabbitMQ, ``"in_memory"`` for one in this process.

    The connection is an async context manager, ``async with await mooq.connect(…) as conn:``.
    ``username`` and ``password`` are ``guest`` and ``virtual_host`` is ``/`` unless given.
    ``ssl`` is True for TLS with the certificate and its host name verified against the
    authorities that this machine trusts, or an ``ssl.SSLContext`` that says otherwise; to the
    broker in memory nothing travels, so there it is checked and changes nothing. ``timeout`` in
    seconds bounds connecting.
    ``url``, ``amqp://user:password@host:port/virtual_host`` or ``amqps://…``, stands for host
    and port and for what is not given otherwise.

    Raises :class:`~mooq.BrokerConnectionError`, saying which of these it was: nothing listens
    there, the host is unknown, login or virtual host are refused, nobody answers within the
    timeout, TLS or a certificate fails, or what answers is no RabbitMQ. ``TypeError`` and
    ``ValueError`` for arguments.
    """
    kind = CONNECTIONS.get(broker)
    if kind is None:
        raise ValueError(f"broker must be one of {', '.join(CONNECTIONS)}, not {broker!r}")
    address = Address(host, port) if url is None else Address.from_url(url, ssl)
    connection = kind(
        host=address.host,
        port=address.port,
        username=address.username if username is None else username,
        password=address.password if password is None else password,
        virtual_host=address.virtual_host if virtual_host is None else virtual_host,
        ssl=ssl if url is None else address.ssl,
        timeout=timeout,
    )
    await connection.connect()
    return connection
