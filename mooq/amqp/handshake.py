"""The start of a connection: authentication, tuning and connection.open."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from mooq.amqp import methods
from mooq.amqp.methods import Method, Values
from mooq.amqp.tables import TableError, decode_table
from mooq.amqp.versions import Version
from mooq.amqp.violations import Crash, unexpected_method
from mooq.broker.refusals import Refusal
from mooq.broker.values import LongBytes


class Limits(NamedTuple):
    """The limits in connection.tune: a number, bytes and seconds."""

    channel_max: int = 2047
    frame_max: int = 131_072
    heartbeat: int = 60


class Authenticator(Protocol):
    """Checks users and virtual hosts."""

    def log_in(self, mechanism: str, username: str, password: str | None) -> None:
        """Log in; password None stands for an anonymous login. Raises ``Refusal``."""

    def open(self, virtual_host: str) -> None:
        """Open the connection to a virtual host. Raises ``Refusal``."""


class LoginRefused(Exception):
    """A refused login, for a client with the capability authentication_failure_close."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.text)


class Handshake:
    """The exchange of methods from connection.start-ok to connection.open.

    ``state`` has RabbitMQ's names: starting, tuning, opening, running. ``limits`` are those in
    force, which change with connection.tune-ok.
    """

    def __init__(self, authenticator: Authenticator, version: Version, limits: Limits) -> None:
        self._authenticator = authenticator
        self._version = version
        self._proposed = limits
        self.limits: Limits = Limits(limits.channel_max, version.first_frame_max, 0)
        self.state: str = "starting"
        self.capabilities: dict[str, Any] = {}

    def start(self, cluster_name: str) -> Values:
        """Return the values of connection.start."""
        version = self._version
        return (
            0,
            9,
            version.server_properties(cluster_name),
            version.mechanisms.encode(),
            b"en_US",
        )

    def answer(self, method: Method, values: Values) -> tuple[Method, Values] | None:
        """Handle a method of the client; return the reply, if any.

        Raises :class:`~mooq.amqp.violations.Crash` if RabbitMQ only disconnects,
        :class:`LoginRefused`, ``Refusal`` and :class:`~mooq.amqp.violations.Violation`.
        """
        if self.state == "starting" and method is methods.CONNECTION_START_OK:
            self._authenticate(*values)
            self.state = "tuning"
            return methods.CONNECTION_TUNE, self._proposed
        if self.state == "tuning" and method is methods.CONNECTION_TUNE_OK:
            self._tune(Limits(*values))
            self.state = "opening"
            return None
        if self.state == "opening" and method is methods.CONNECTION_OPEN:
            self._authenticator.open(values[0])
            self.state = "running"
            return methods.CONNECTION_OPEN_OK, ("",)
        raise unexpected_method(self.state, method)

    def _authenticate(
        self, client_properties: dict[str, Any], mechanism: str, response: bytes, _locale: str
    ) -> None:
        capabilities = client_properties.get("capabilities")
        if isinstance(capabilities, dict):
            self.capabilities = capabilities
        if mechanism not in self._version.mechanisms.split():
            raise Crash(f"no authentication mechanism {mechanism!r}")
        if mechanism == "ANONYMOUS":
            username, password = "guest", None
        else:
            username, password = _credentials(mechanism, response)
        try:
            self._authenticator.log_in(mechanism, username, password)
        except Refusal as refusal:
            if self.capabilities.get("authentication_failure_close") is not True:
                raise Crash("the login was refused") from None
            raise LoginRefused(refusal) from None

    def _tune(self, asked: Limits) -> None:
        """Accept the client's limits: none above the proposed ones, and none unlimited."""
        if not self._version.least_frame_max <= asked.frame_max <= self._proposed.frame_max:
            raise Crash(f"the client requests a frame_max of {asked.frame_max}")
        if not 1 <= asked.channel_max <= self._proposed.channel_max:
            raise Crash(f"the client requests a channel_max of {asked.channel_max}")
        self.limits = asked


def _credentials(mechanism: str, response: bytes) -> tuple[str, str]:
    """Return the user and password of a SASL response. Raises ``Crash``."""
    if mechanism == "PLAIN":
        begin, *parts = response.split(b"\x00")
        if begin or len(parts) != 2:
            raise Crash("malformed PLAIN response")
        username, password = parts
        return _text(username), _text(password)
    try:
        login = decode_table(response)
    except TableError:
        raise Crash("malformed AMQPLAIN response") from None
    user, secret = login.get("LOGIN"), login.get("PASSWORD")
    if not isinstance(user, str | bytes | LongBytes) or not isinstance(secret, str | bytes):
        raise Crash("AMQPLAIN response without LOGIN and PASSWORD")
    return _text(user), _text(secret)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
