"""Refusals: every sentence that RabbitMQ refuses a request with, its reply code and its scope.

Measured on RabbitMQ 3.10.8, 4.0.5 and 4.3.6. The AMQP layer adds class and method.
"""

from __future__ import annotations

from enum import Enum

CODES = {
    "CONNECTION_FORCED": 320,
    "INVALID_PATH": 402,
    "ACCESS_REFUSED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_LOCKED": 405,
    "PRECONDITION_FAILED": 406,
    "FRAME_ERROR": 501,
    "SYNTAX_ERROR": 502,
    "COMMAND_INVALID": 503,
    "CHANNEL_ERROR": 504,
    "UNEXPECTED_FRAME": 505,
    "RESOURCE_ERROR": 506,
    "NOT_ALLOWED": 530,
    "NOT_IMPLEMENTED": 540,
    "INTERNAL_ERROR": 541,
}
"""AMQP's reply codes by RabbitMQ's names."""


class Scope(Enum):
    """The extent of a refusal: it closes the channel, or the connection."""

    CHANNEL = "channel"
    CONNECTION = "connection"


class Refusal(Exception):
    """A request that the broker refuses; the one who asked closes what ``scope`` names."""

    def __init__(self, name: str, text: str, scope: Scope = Scope.CHANNEL) -> None:
        self.code = CODES[name]
        self.text = f"{name} - {text}"
        self.scope = scope
        super().__init__(self.text)


def _connection(name: str, text: str) -> Refusal:
    return Refusal(name, text, Scope.CONNECTION)


def login_refused(mechanism: str = "PLAIN") -> Refusal:
    """Return the refusal of a user or password."""
    return _connection(
        "ACCESS_REFUSED",
        f"Login was refused using authentication mechanism {mechanism}. For details see the "
        "broker logfile.",
    )


def no_virtual_host(name: str) -> Refusal:
    """Return the refusal of a virtual host that does not exist."""
    return _connection("NOT_ALLOWED", f"vhost {name} not found")


def virtual_host_not_permitted(name: str, user: str) -> Refusal:
    """Return the refusal of a virtual host that the user has no permissions in."""
    return _connection("NOT_ALLOWED", f"access to vhost '{name}' refused for user '{user}'")


def too_many_channels(limit: int) -> Refusal:
    """Return the refusal of a channel beyond the number that was negotiated."""
    return _connection(
        "NOT_ALLOWED",
        f"number of channels opened ({limit}) has reached the negotiated channel_max ({limit})",
    )


def second_channel_open() -> Refusal:
    """Return the refusal to open a channel that is open."""
    return _connection("CHANNEL_ERROR", "second 'channel.open' seen")


def shutdown() -> Refusal:
    """Return the reason that clients are given when the broker stops."""
    return _connection(
        "CONNECTION_FORCED", "broker forced connection closure with reason 'shutdown'"
    )


def no_exchange(name: str, virtual_host: str) -> Refusal:
    """Return the refusal of an exchange that does not exist."""
    return Refusal("NOT_FOUND", f"no exchange '{name}' in vhost '{virtual_host}'")


def no_queue(name: str, virtual_host: str) -> Refusal:
    """Return the refusal of a queue that does not exist."""
    return Refusal("NOT_FOUND", f"no queue '{name}' in vhost '{virtual_host}'")


def no_declared_queue() -> Refusal:
    """Return the refusal of an empty queue name on a channel that declared no queue."""
    return Refusal("NOT_FOUND", "no previously declared queue")
