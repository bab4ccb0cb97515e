"""Where a broker listens and who is asking; checked once for every transport."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import SplitResult, unquote, urlsplit

from mooq.utf8 import utf8

if TYPE_CHECKING:
    from ssl import SSLContext

HIGHEST_PORT = 65535
LONGEST_VIRTUAL_HOST = 127  # characters: the limit of the Python client
DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}


class Where(TypedDict):
    """The arguments that lead to an address, of all that takes them one by one."""

    host: str
    port: int
    username: str
    password: str
    virtual_host: str


@dataclass(frozen=True, slots=True)
class Address:
    """Host, port, virtual host and credentials of one broker.

    Raises ``ValueError`` or ``TypeError``, naming the part that is wrong.
    """

    host: str = "localhost"
    port: int = 5672
    username: str = "guest"
    password: str = field(default="guest", repr=False)
    virtual_host: str = "/"
    ssl: bool | SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what no broker could be reached by."""
        for name in ("host", "username", "password", "virtual_host"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a str, not {type(value).__name__}")
            utf8(name, value)
        if not self.host:
            raise ValueError("host is empty; name a host, such as 'localhost'")
        for name in ("username", "password"):
            # In a URL without one the client would put guest, who may well be let in.
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; RabbitMQ lets nobody in without one")
            if "\0" in getattr(self, name):  # it ends both in SASL PLAIN (RFC 4616)
                raise ValueError(f"{name} holds a NUL, which no login can carry; leave it out")
        if not self.virtual_host:
            raise ValueError("virtual_host is empty; RabbitMQ's own default is '/'")
        if len(self.virtual_host) > LONGEST_VIRTUAL_HOST:
            raise ValueError(
                f"virtual_host {self.virtual_host[:30]!r}… has {len(self.virtual_host)} "
                f"characters; at most {LONGEST_VIRTUAL_HOST} are allowed"
            )
        check_port(self.port)
        check_ssl(self.ssl)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def where(self) -> Where:
        """The address as arguments; ``ssl`` says how to speak there, and is not among them."""
        return {
            "host": self.host,
            "port": self.port,
            "username": self.username,
            "password": self.password,
            "virtual_host": self.virtual_host,
        }

    @property
    def name(self) -> str:
        """The name under which a broker at this address is registered: ``host_port``."""
        return broker_name(self.host, self.port)

    @classmethod
    def from_url(cls, url: str, ssl: bool | SSLContext | None = None) -> Address:
        """Read ``amqp://user:password@host:port/virtual%20host`` (AMQP URI specification).

        ``amqps`` asks for TLS. Raises ``TypeError`` for what is no str, ``ValueError`` for any
        other scheme, for a bad port, for ``amqps`` with ``ssl=False``, and for a query: options
        are arguments of :func:`mooq.connect`.
        """
        if not isinstance(url, str):
            raise TypeError(f"url must be a str, not {type(url).__name__}")
        scheme, found, _ = url.partition("://")
        if not found or scheme.lower() not in DEFAULT_PORTS:
            said = f", not {scheme!r}" if found and scheme.isalnum() else ""
            raise ValueError(f"url must begin with amqp:// or amqps://{said}")
        parts = _split(url)
        if parts is None or "@" in parts.path:
            # Not shown, nor chained: where a password holds a '/', what stands for the port, or
            # for the virtual host, is a part of it.
            raise ValueError(
                f"url has a bad host or port: the port must be a number between 1 and "
                f"{HIGHEST_PORT}; in user, password and virtual host write '/' as %2F, ':' as %3A "
                "and '@' as %40"
            )
        if parts.query or parts.fragment:
            raise ValueError("url must end after the virtual host; pass options as arguments")
        if ssl is False and parts.scheme == "amqps":
            raise ValueError("url asks for TLS (amqps) and ssl=False for none: choose one")
        path = parts.path[1:]
        return cls(
            host=parts.hostname or "localhost",
            port=DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port,
            username=unquote("guest" if parts.username is None else parts.username),
            password=unquote("guest" if parts.password is None else parts.password),
            virtual_host=unquote(path) if path else "/",
            ssl=ssl if ssl is not None else parts.scheme == "amqps",
        )


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None where it has no host or port that could be meant."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - which is read, and refused, only when it is asked for
    except ValueError:
        return None
    return parts


def check_port(port: int) -> int:
    """Return the port, or raise ``TypeError`` or ``ValueError`` when it is none."""
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"port must be an int, not {type(port).__name__}")
    if not 1 <= port <= HIGHEST_PORT:
        raise ValueError(f"port must be between 1 and {HIGHEST_PORT}, not {port}")
    return port


def check_ssl(ssl: object) -> None:
    """Raise ``TypeError`` unless it says whether, or how, to speak TLS."""
    if ssl is None or isinstance(ssl, bool):
        return
    from ssl import SSLContext  # costs milliseconds, and most have no use for it

    if not isinstance(ssl, SSLContext):
        raise TypeError(f"ssl must be True, False or an ssl.SSLContext, not {type(ssl).__name__}")


def broker_name(host: str, port: int) -> str:
    """Return the name under which a broker is registered."""
    return f"{host}_{port}"
