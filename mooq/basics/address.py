"""The address of a broker: host, port, virtual host and credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from mooq.basics.utf8 import utf8

if TYPE_CHECKING:
    from ssl import SSLContext

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535
LONGEST_VIRTUAL_HOST = 127  # characters: the limit of the Python client
DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}
ARGUMENTS = {
    "timeout": "timeout=",
    "connection_timeout": "timeout=",
    "cafile": "ssl=",
    "capath": "ssl=",
    "cadata": "ssl=",
    "cacertfile": "ssl=",
    "certfile": "ssl=",
    "keyfile": "ssl=",
    "no_verify_ssl": "ssl=",
    "ssl_options": "ssl=",
    "verify": "ssl=",
    "heartbeat": "heartbeat=",
    "channel_max": "channel_max=",
    "name": "client_name=",
    "connection_name": "client_name=",
}
"""Options in other clients' URLs, and the equivalent argument of :func:`mooq.connect`."""


_ON_LOOPBACK = rf"\g<1>{LOOPBACK}:\g<2>"
"""The replacement of a login and a port by a login, host and port."""


class Secret(str):
    """A password that :func:`repr` hides, also inside other objects."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class URL(str):
    """A URL whose password :func:`repr` hides."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(mask(str(self)))


def mask(text: str) -> str:
    """Return a text without the user and password of any URL in it."""
    return re.sub(r"(\w+://).*@", r"\1***@", text)


class Where(TypedDict):
    """The parts of an address as separate arguments."""

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
        """Refuse invalid parts."""
        for name in ("host", "username", "password", "virtual_host"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a str, not {type(value).__name__}")
            utf8(name, value)
        for name in ("username", "password"):
            # Without a user in the URL the client would use guest, which may be accepted.
            if not getattr(self, name):
                raise ValueError(f"{name} is empty; RabbitMQ requires one")
            if "\0" in getattr(self, name):  # it ends both in SASL PLAIN (RFC 4616)
                raise ValueError(f"{name} contains a NUL, which a login cannot; remove it")
        if not self.virtual_host:
            raise ValueError("virtual_host is empty; RabbitMQ's default is '/'")
        if len(self.virtual_host) > LONGEST_VIRTUAL_HOST:
            raise ValueError(
                f"virtual_host {self.virtual_host[:30]!r}… has {len(self.virtual_host)} "
                f"characters; at most {LONGEST_VIRTUAL_HOST} are allowed"
            )
        check_host(self.host)
        check_port(self.port)
        check_ssl(self.ssl)

    def __str__(self) -> str:
        return host_and_port(self.host, self.port)

    @property
    def where(self) -> Where:
        """The address as arguments, without ``ssl``."""
        return {
            "host": self.host,
            "port": self.port,
            "username": self.username,
            "password": Secret(self.password),
            "virtual_host": self.virtual_host,
        }

    @property
    def url(self) -> URL:
        """The address as a URL for :meth:`from_url`, without ``ssl``."""
        user, password, virtual_host = (
            quote(part, safe="") for part in (self.username, self.password, self.virtual_host)
        )
        return URL(f"amqp://{user}:{password}@{self}/{virtual_host}")

    @property
    def name(self) -> str:
        """The name under which a broker at this address is registered: ``host_port``."""
        return broker_name(self.host, self.port)

    @classmethod
    def from_url(cls, url: str, ssl: bool | SSLContext | None = None) -> Address:
        """Parse ``amqp://user:password@host:port/virtual%20host`` (AMQP URI specification).

        ``amqps`` asks for TLS. Raises ``TypeError`` unless it is a str. Raises ``ValueError`` for
        any other scheme, for a bad port, for ``amqps`` with ``ssl=False``, and for a query: options
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
            # Neither shown nor chained: if a password contains a '/', the supposed port or
            # virtual host is a part of it.
            raise ValueError(
                f"url has a bad host or port: the port must be a number between 1 and "
                f"{HIGHEST_PORT}; in user, password and virtual host write '/' as %2F, ':' as %3A "
                "and '@' as %40"
            )
        if parts.fragment:
            raise ValueError("url contains '#'; in user, password and virtual host write it as %23")
        if parts.query:
            raise ValueError(_options(parts.query))
        if ssl is False and parts.scheme == "amqps":
            raise ValueError("url asks for TLS (amqps), but ssl is False; choose one")
        path = parts.path[1:]
        return cls(
            host=parts.hostname or "localhost",
            port=DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port,
            username=_unquoted("user", "guest" if parts.username is None else parts.username),
            password=_unquoted("password", "guest" if parts.password is None else parts.password),
            virtual_host=_unquoted("virtual host", path) if path else "/",
            ssl=ssl if ssl is not None else parts.scheme == "amqps",
        )


def parse_address(text: str) -> Address:
    """Parse ``amqp://user:password@host:port/virtual_host`` or a part of it.

    The scheme may be left out; a number in place of ``host:port`` is a port of this machine. Raises
    ``ValueError``.
    """
    if not text.strip():
        raise ValueError("the address is empty; write host:port, or a port of this machine")
    if "://" in text:
        return Address.from_url(text)
    return Address.from_url("amqp://" + re.sub(r"^([^/@]*@)?([0-9]+)(?=/|$)", _ON_LOOPBACK, text))


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None if host and port are not clear."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for an invalid port
    except ValueError:
        return None
    return parts


def _unquoted(part: str, quoted: str) -> str:
    """Return a part of a URL, unquoted."""
    try:
        return unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        pass  # not chained: the error contains the part, which may be the password
    raise ValueError(
        f"the {part} in url is not UTF-8; percent-encode it, for example 'é' as %C3%A9"
    )


def _options(query: str) -> str:
    """Return advice about a URL's options. It shows no values: one may be a password."""
    names = list(dict.fromkeys(one.partition("=")[0] for one in query.split("&") if one))
    named = [
        f"{name!r}: pass {ARGUMENTS[name]} instead"
        if name in ARGUMENTS
        else f"{name!r}: leave it out"
        for name in names
    ]
    return f"url contains options, which mooq does not read ({'; '.join(named) or 'empty'})"


def check_host(host: str) -> str:
    """Return the host, or raise ``ValueError``, without showing a password, if it is invalid."""
    if not isinstance(host, str):
        raise TypeError(f"host must be a str, not {type(host).__name__}")
    if not host:
        raise ValueError("host is empty; name a host, such as 'localhost'")
    if "://" in host:
        place = re.search(r"@([\w.-]+(?::\d+)?)(?=[/?#]|$)", host)
        scheme = host.partition("://")[0]
        shown = f"{scheme}://***@{place[1]}" if place else f"{scheme}://***"
        raise ValueError(f"host is a URL, {shown}; pass it as url=")
    if "@" in host:
        raise ValueError(
            "host contains '@'; pass username= and password= separately, or a URL as url="
        )
    if re.fullmatch(r"[^:]+:\d+", host):
        name, _, port = host.partition(":")
        raise ValueError(f"host {host!r} contains a port; pass host={name!r} and port={port}")
    if wrong := re.search(r"[/?#\\]", host):
        raise ValueError(f"host contains {wrong[0]!r}; pass only a host name or IP address")
    return host


def check_port(port: int, least: int = 1) -> int:
    """Return the port, or raise ``TypeError`` or ``ValueError`` if it is invalid.

    ``least`` is 0 for a port to listen on, of which 0 chooses a free one.
    """
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"port must be an int, not {type(port).__name__}")
    if not least <= port <= HIGHEST_PORT:
        raise ValueError(f"port must be between {least} and {HIGHEST_PORT}, not {port}")
    return port


def check_ssl(ssl: object) -> None:
    """Raise ``TypeError`` unless it is a bool or an SSLContext."""
    if ssl is None or isinstance(ssl, bool):
        return
    from ssl import SSLContext  # takes milliseconds to load, and is rarely needed

    if not isinstance(ssl, SSLContext):
        raise TypeError(f"ssl must be True, False or an ssl.SSLContext, not {type(ssl).__name__}")


def host_and_port(host: str, port: int) -> str:
    """Return ``host:port``, with an IPv6 address in brackets (RFC 3986)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def broker_name(host: str, port: int) -> str:
    """Return the name under which a broker is registered."""
    return f"{host}_{port}"
