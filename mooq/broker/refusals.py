"""Refusals of requests: RabbitMQ's texts, reply codes and scopes.

Measured on RabbitMQ 3.10.8, 4.0.5 and 4.3.6. The AMQP layer adds the class and method ids.
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
    """Scope of a refusal: it closes the channel or the connection."""

    CHANNEL = "channel"
    CONNECTION = "connection"


class Refusal(Exception):
    """A request that the broker refuses. The caller closes the channel or connection."""

    def __init__(self, name: str, text: str, scope: Scope = Scope.CHANNEL) -> None:
        self.code: int = CODES[name]
        self.text: str = f"{name} - {text}" if text else name
        self.scope = scope
        super().__init__(self.text)


def _connection(name: str, text: str) -> Refusal:
    return Refusal(name, text, Scope.CONNECTION)


def login_refused(mechanism: str = "PLAIN") -> Refusal:
    """Return the refusal of an unknown user or wrong password."""
    return _connection(
        "ACCESS_REFUSED",
        f"Login was refused using authentication mechanism {mechanism}. For details see the "
        "broker logfile.",
    )


def no_virtual_host(name: str) -> Refusal:
    """Return the refusal of a virtual host that does not exist."""
    return _connection("NOT_ALLOWED", f"vhost {name} not found")


def virtual_host_not_permitted(name: str, user: str) -> Refusal:
    """Return the refusal of a virtual host where the user has no permissions."""
    return _connection("NOT_ALLOWED", f"access to vhost '{name}' refused for user '{user}'")


def unknown_queue_type(queue_type: str) -> Refusal:
    """Return the refusal of an unknown type for a server-named queue."""
    return Refusal("PRECONDITION_FAILED", f"unknown queue type '{queue_type}'")


def failure() -> Refusal:
    """Return the refusal that RabbitMQ sends for an internal error."""
    return _connection("INTERNAL_ERROR", "")


def not_permitted_any_more(feature: str) -> Refusal:
    """Return the refusal of a deprecated feature, in words that are cut when they are sent."""
    return _connection(
        "INTERNAL_ERROR",
        f"Feature `{feature}` is deprecated.\n"
        "By default, this feature is not permitted anymore.\n"
        "The feature will be removed from a future major RabbitMQ version, regardless of the "
        "configuration; actual version to be determined.\n"
        "To continue using this feature when it is not permitted by default, set the following "
        "parameter in your configuration:\n"
        f'    "deprecated_features.permit.{feature} = true"',
    )


def too_many_channels(limit: int) -> Refusal:
    """Return the refusal of a channel above the negotiated ``channel_max``."""
    return _connection(
        "NOT_ALLOWED",
        f"number of channels opened ({limit}) has reached the negotiated channel_max ({limit})",
    )


def shutdown() -> Refusal:
    """Return the refusal that clients get when the broker stops."""
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


def message_too_large(size: int, limit: int) -> Refusal:
    """Return the refusal of a body above the size limit, in bytes."""
    return Refusal(
        "PRECONDITION_FAILED",
        f"message size {size} is larger than configured max size {limit}",
    )


def undeliverable(queue: str, virtual_host: str) -> Refusal:
    """Return the refusal to commit a publish to a queue that was deleted since."""
    return _connection(
        "RESOURCE_ERROR",
        "failed to deliver message: {not_found,{resource,"
        f'<<"{virtual_host}">>,queue,<<"{queue}">>}}}}',
    )


def unknown_delivery_mode(mode: int | None) -> Refusal:
    """Return the refusal of a delivery mode other than 1 and 2."""
    return Refusal("PRECONDITION_FAILED", f"invalid message: {{delivery_mode_unknown,{mode}}}")


def default_exchange() -> Refusal:
    """Return the refusal of an operation on the default exchange."""
    return Refusal("ACCESS_REFUSED", "operation not permitted on the default exchange")


def reserved_name(what: str, name: str) -> Refusal:
    """Return the refusal of a name that begins with ``amq.``."""
    return Refusal("ACCESS_REFUSED", f"{what} name '{name}' contains reserved prefix 'amq.*'")


def system_exchange(name: str, virtual_host: str) -> Refusal:
    """Return the refusal to delete a predeclared exchange."""
    return Refusal(
        "ACCESS_REFUSED",
        f"deletion of system exchange '{name}' in vhost '{virtual_host}' not allowed",
    )


def internal_exchange(name: str, virtual_host: str) -> Refusal:
    """Return the refusal to publish to an internal exchange."""
    return Refusal(
        "ACCESS_REFUSED",
        f"cannot publish to internal exchange '{name}' in vhost '{virtual_host}'",
    )


def bad_exchange_type(name: str, *, closes_connection: bool) -> Refusal:
    """Return the refusal of an unknown exchange type."""
    text = f"unknown exchange type '{name}'" if name else "invalid exchange type ''"
    if closes_connection:
        return _connection("COMMAND_INVALID", text)
    return Refusal("PRECONDITION_FAILED", text)


def inequivalent(
    argument: str, kind: str, name: str, virtual_host: str, received: str, current: str
) -> Refusal:
    """Return the refusal to redeclare a queue or exchange with another property or argument."""
    return Refusal(
        "PRECONDITION_FAILED",
        f"inequivalent arg '{argument}' for {kind} '{name}' in vhost '{virtual_host}': received "
        f"{received} but current is {current}",
    )


def invalid_argument(argument: str, kind: str, name: str, virtual_host: str, why: str) -> Refusal:
    """Return the refusal of an argument with an invalid value."""
    return Refusal(
        "PRECONDITION_FAILED",
        f"invalid arg '{argument}' for {kind} '{name}' in vhost '{virtual_host}': {why}",
    )


def invalid_type(argument: str, owner: str, name: str, virtual_host: str, type_: str) -> Refusal:
    """Return the refusal of an exchange name that is not a string, in an argument of ``owner``.

    ``owner`` is "queue" or "exchange".
    """
    return failed(
        f"invalid type '{type_}' for arg '{argument}' in {owner} '{name}' in vhost '{virtual_host}'"
    )


def argument_of_another_type(
    argument: str, name: str, virtual_host: str, queue_type: str
) -> Refusal:
    """Return the refusal of an argument that the queue type does not support."""
    return Refusal(
        "PRECONDITION_FAILED",
        f"invalid arg '{argument}' for queue '{name}' in vhost '{virtual_host}' of queue type "
        f"rabbit_{queue_type}_queue",
    )


def invalid_property(what: str, name: str, virtual_host: str) -> Refusal:
    """Return the refusal of a property that the queue type does not support."""
    return Refusal(
        "PRECONDITION_FAILED",
        f"invalid property '{what}' for queue '{name}' in vhost '{virtual_host}'",
    )


def no_streams(name: str, virtual_host: str) -> Refusal:
    """Return the refusal of a stream, which RabbitMQ would accept."""
    return Refusal(
        "NOT_IMPLEMENTED",
        f"queue '{name}' in vhost '{virtual_host}' cannot be a stream: mooq's in-memory broker "
        "has none; use RabbitMQ",
        Scope.CONNECTION,
    )


def condition_not_implemented(flag: str, name: str, virtual_host: str) -> Refusal:
    """Return the refusal of deleting a quorum queue on a condition."""
    return not_implemented(
        f"cannot delete queue '{name}' in vhost '{virtual_host}'. queue.delete operations with "
        f"{flag} flag set are not supported by quorum queues"
    )


def no_global_prefetch(name: str, virtual_host: str) -> Refusal:
    """Return the refusal of a consumer of a quorum queue on a channel with a global prefetch."""
    return not_implemented(f"queue '{name}' in vhost '{virtual_host}' does not support global qos")


def no_get_beside_single_active(name: str, virtual_host: str, queue_type: str) -> Refusal:
    """Return the refusal of a get from a quorum queue with a single active consumer."""
    return Refusal(
        "RESOURCE_LOCKED",
        f"cannot obtain access to locked queue '{name}' in vhost '{virtual_host}'. basic.get "
        f"operations are not supported by {queue_type} queues with single active consumer",
    )


def locked(name: str, virtual_host: str) -> Refusal:
    """Return the refusal of a queue that is exclusive to another connection."""
    return Refusal(
        "RESOURCE_LOCKED",
        f"cannot obtain exclusive access to locked queue '{name}' in vhost '{virtual_host}'. It "
        "could be originally declared on another connection or the exclusive property value does "
        "not match that of the original declaration.",
    )


def in_use(kind: str, name: str, virtual_host: str) -> Refusal:
    """Return the refusal to delete a queue or exchange in use."""
    return Refusal("PRECONDITION_FAILED", f"{kind} '{name}' in vhost '{virtual_host}' in use")


def not_empty(name: str, virtual_host: str) -> Refusal:
    """Return the refusal to delete a non-empty queue."""
    return Refusal("PRECONDITION_FAILED", f"queue '{name}' in vhost '{virtual_host}' not empty")


def exclusive_use(name: str, virtual_host: str) -> Refusal:
    """Return the refusal of a second consumer if either one is exclusive."""
    return Refusal("ACCESS_REFUSED", f"queue '{name}' in vhost '{virtual_host}' in exclusive use")


def tag_in_use(tag: str) -> Refusal:
    """Return the refusal of a consumer tag that the channel already uses."""
    return _connection("NOT_ALLOWED", f"attempt to reuse consumer tag '{tag}'")


def unknown_delivery_tag(tag: int) -> Refusal:
    """Return the refusal to settle an unknown or settled delivery."""
    return Refusal("PRECONDITION_FAILED", f"unknown delivery tag {tag}")


def not_implemented(what: str) -> Refusal:
    """Return the refusal of a feature that RabbitMQ does not implement."""
    return _connection("NOT_IMPLEMENTED", what)


def failed(text: str) -> Refusal:
    """Return the refusal of a request whose precondition failed."""
    return Refusal("PRECONDITION_FAILED", text)


def invalid_expiration(text: str, why: str) -> Refusal:
    """Return the refusal of a message's time to live."""
    return failed(f"invalid expiration '{text}': {why}")


def permission_missing(which: str, kind: str, name: str, virtual_host: str, user: str) -> Refusal:
    """Return the refusal of a missing permission; ``which`` ends in a space."""
    return Refusal(
        "ACCESS_REFUSED",
        f"{which}access to {kind} '{name}' in vhost '{virtual_host}' refused for user '{user}'",
    )


def consumer_timeout(channel: int, seconds: float) -> Refusal:
    """Return the refusal that closes a channel after a late acknowledgement."""
    return failed(
        f"delivery acknowledgement on channel {channel} timed out. Timeout value used: "
        f"{seconds * 1000:.0f} ms. This timeout value can be configured, see consumers doc guide "
        "to learn more"
    )


def too_many_hashes(key: str, count: int, most: int) -> Refusal:
    """Return the refusal of a topic pattern with too many ``#`` wildcards."""
    return failed(
        f"Topic binding key '{key}' uses {count} '#' wildcards, at most {most} are allowed"
    )
