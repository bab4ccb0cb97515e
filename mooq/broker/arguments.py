"""Arguments of queues and exchanges: types, ranges, supported queue types, equivalence.

A refusal shows the value and its type on the wire, as RabbitMQ's does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mooq.broker import refusals
from mooq.broker.erlang import erlang_term, quoting
from mooq.broker.refusals import Refusal
from mooq.broker.values import INTEGER_TYPES, Table, type_name
from mooq.broker.versions import Version

LONGEST_TIME = 315_360_000_000  # milliseconds
MOST_PRIORITIES = 255
LEADER_LOCATOR = "x-queue-leader-locator"
MASTER_LOCATOR = "x-queue-master-locator"
MASTER_LOCATORS = ("client-local", "min-masters", "random")
STRATEGIES = ("at-most-once", "at-least-once")
OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
_BYTES = (bytes, bytearray)
QUEUE_MODES = ("default", "lazy")
QUEUE_TYPES = ("classic", "quorum", "stream")

Check = Callable[[Any, Table], str | None]
"""Returns RabbitMQ's reason why a value is invalid; None if it is valid."""


def _integer(value: Any, _: Table) -> str | None:
    kind = type_name(value)
    return None if kind in INTEGER_TYPES else f'"expected integer, got {kind}"'


def _count(value: Any, arguments: Table) -> str | None:
    reason = _integer(value, arguments)
    return reason or (f"{{value_negative,{value}}}" if value < 0 else None)


def _milliseconds(value: Any, arguments: Table) -> str | None:
    reason = _count(value, arguments)
    return reason or (f"{{value_too_large,{value}}}" if value > LONGEST_TIME else None)


def _expires(value: Any, arguments: Table) -> str | None:
    reason = _integer(value, arguments)
    return reason or ("{value_zero,0}" if value == 0 else _milliseconds(value, arguments))


def _size(value: Any, arguments: Table) -> str | None:
    reason = _count(value, arguments)
    return reason or ("{value_zero,0}" if value == 0 else None)


def _priorities(value: Any, arguments: Table) -> str | None:
    reason = _count(value, arguments)
    return reason or (f"{{max_value_exceeded,{value}}}" if value > MOST_PRIORITIES else None)


def _string(value: Any, _: Table) -> str | None:
    kind = type_name(value)
    return None if kind == "longstr" else f"{{unacceptable_type,{kind}}}"


def _boolean(value: Any, _: Table) -> str | None:
    kind = type_name(value)
    return None if kind == "bool" else f"{{unacceptable_type,{kind}}}"


def _dead_letter_key(value: Any, arguments: Table) -> str | None:
    reason = _string(value, arguments)
    if reason is None and "x-dead-letter-exchange" not in arguments:
        return "routing_key_but_no_dlx_defined"
    return reason


def _one_of(choices: tuple[str, ...], otherwise: str) -> Check:
    def check(value: Any, arguments: Table) -> str | None:
        reason = _string(value, arguments)
        return reason or (None if value in choices else otherwise)

    return check


def _supported(what: str, choices: tuple[str, ...], version: Version) -> Check:
    def check(value: Any, arguments: Table) -> str | None:
        reason = _string(value, arguments)
        if reason or value in choices:
            return reason
        return quoting(f"unsupported queue {what}", value, has_unicode=version.marks_utf8)

    return check


QUEUE_MODE = "x-queue-mode"
CONSUMER_TIMEOUT = "x-consumer-timeout"

CHECKS: dict[str, Check] = {
    "x-expires": _expires,
    "x-message-ttl": _milliseconds,
    "x-dead-letter-routing-key": _dead_letter_key,
    "x-dead-letter-strategy": _one_of(STRATEGIES, "invalid_dlx_strategy"),
    "x-max-length": _count,
    "x-max-length-bytes": _count,
    "x-max-in-memory-length": _count,
    "x-max-in-memory-bytes": _count,
    "x-max-priority": _priorities,
    "x-overflow": _one_of(OVERFLOWS, "invalid_overflow"),
    QUEUE_MODE: _string,  # and its value, in words that depend on the version
    "x-single-active-consumer": _boolean,
    CONSUMER_TIMEOUT: _count,
    "x-consumer-disconnected-timeout": _count,
    "x-quorum-initial-group-size": _size,
}
"""The arguments that RabbitMQ checks when a queue is declared, in its order.

It checks the type before them, and the leader locator after them.

Source: ``declare_args()`` in ``rabbit_amqqueue``. The arguments of each queue type are in
``capabilities()`` of ``rabbit_classic_queue`` and ``rabbit_quorum_queue``.
"""

_CLASSIC_ARGUMENTS = (
    *("x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key"),
    *("x-max-length", "x-max-length-bytes", "x-max-priority", "x-overflow", "x-queue-mode"),
    *("x-queue-version", "x-single-active-consumer", "x-queue-type", MASTER_LOCATOR),
)
_QUORUM_ARGUMENTS = (
    *("x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy"),
    *("x-expires", "x-max-length", "x-max-length-bytes", "x-max-in-memory-length"),
    *("x-max-in-memory-bytes", "x-overflow", "x-single-active-consumer", "x-queue-type"),
    *("x-quorum-initial-group-size", "x-delivery-limit", "x-message-ttl", LEADER_LOCATOR),
)
_STREAM_ARGUMENTS = frozenset(
    (
        *("x-max-length-bytes", "x-queue-type", "x-max-age", "x-stream-max-segment-size-bytes"),
        *("x-initial-cluster-size", LEADER_LOCATOR),
    )
)


def supported_arguments(queue_type: str, version: Version) -> tuple[str, ...]:
    """Return the arguments that a queue type supports, in the order of comparison."""
    if queue_type == "quorum":
        return _QUORUM_ARGUMENTS + version.more_of_quorum
    return _CLASSIC_ARGUMENTS + version.more_of_classic


def check_exchange_name(
    argument: str, arguments: Table, owner: str, name: str, virtual_host: str
) -> None:
    """Raise a refusal if an argument that names an exchange is not a string."""
    type_ = type_name(arguments.get(argument, ""))
    if type_ != "longstr":
        raise refusals.invalid_type(argument, owner, name, virtual_host, type_)


def check_queue_arguments(arguments: Table, name: str, virtual_host: str, version: Version) -> None:
    """Raise a refusal for the first argument that is invalid or not supported by the queue type."""
    if not arguments:
        return
    check_exchange_name("x-dead-letter-exchange", arguments, "queue", name, virtual_host)
    if "x-queue-type" in arguments:
        check = _supported("type", QUEUE_TYPES, version)
        _check("x-queue-type", check, arguments, name, virtual_host)
    queue_type = arguments.get("x-queue-type", "classic")
    if queue_type == "stream":
        raise refusals.no_streams(name, virtual_host)
    supported = supported_arguments(queue_type, version)
    checks = {**CHECKS, QUEUE_MODE: _supported("mode", QUEUE_MODES, version)}
    for argument, check in checks.items():
        if argument in arguments and argument in supported and argument not in version.unchecked:
            _check(argument, check, arguments, name, virtual_host)
    if LEADER_LOCATOR in arguments and LEADER_LOCATOR in supported:
        check = _one_of(version.leader_locators, "invalid_queue_locator_arg")
        _check(LEADER_LOCATOR, check, arguments, name, virtual_host)
    of_types = (supported_arguments(each, version) for each in ("classic", "quorum"))
    known = _STREAM_ARGUMENTS.union(*of_types)
    # RabbitMQ inserts the default type, and then sorts the names.
    is_sorted = version.names_default_queue_type and "x-queue-type" not in arguments
    for argument in sorted(arguments) if is_sorted else arguments:
        if argument in known and argument not in supported:
            raise refusals.argument_of_another_type(argument, name, virtual_host, queue_type)


def _check(argument: str, check: Check, arguments: Table, name: str, virtual_host: str) -> None:
    reason = check(arguments[argument], arguments)
    if reason is not None:
        raise refusals.invalid_argument(argument, "queue", name, virtual_host, reason)


def check_consumer_arguments(
    arguments: Table, queue_type: str, name: str, virtual_host: str, version: Version
) -> None:
    """Raise a refusal for the first consumer argument that is invalid or not for the queue's type.

    Unknown arguments are ignored.
    """
    if not arguments:
        return
    supported: dict[str, Check] = {"x-priority": _integer}
    others = {"x-stream-offset"}
    if not version.names_default_queue_type:
        if queue_type == "classic":
            supported["x-cancel-on-ha-failover"] = _boolean
        others |= {"x-cancel-on-ha-failover"}
    else:
        others |= {"x-stream-filter", "x-stream-match-unfiltered"}
    if version.consumer_timeout_argument == "quorum":
        if queue_type == "quorum":
            supported[CONSUMER_TIMEOUT] = _count
        others |= {CONSUMER_TIMEOUT}
    for argument, check in supported.items():
        if argument in arguments:
            _check(argument, check, arguments, name, virtual_host)
    for argument in arguments:
        if argument in others and argument not in supported:
            raise refusals.argument_of_another_type(argument, name, virtual_host, queue_type)


def consumer_timeout(
    of_consumer: Table, of_queue: Table, queue_type: str, default: float | None, version: Version
) -> float | None:
    """Return the seconds within which a consumer must acknowledge; None for no limit.

    ``default`` is the broker's timeout.
    """
    if queue_type != "quorum" and not version.times_out_classic:
        return None
    value = None
    if version.consumer_timeout_argument == "any":
        value = of_queue.get(CONSUMER_TIMEOUT)
    elif version.consumer_timeout_argument == "quorum":
        value = of_consumer.get(CONSUMER_TIMEOUT, of_queue.get(CONSUMER_TIMEOUT))
    return default if type_name(value) not in INTEGER_TYPES else value / 1000  # type: ignore[operator]


def check_type_of_unnamed(arguments: Table, version: Version) -> None:
    """Raise a refusal for a type that a server-named queue cannot have."""
    if "x-queue-type" not in arguments:
        return
    value = arguments["x-queue-type"]
    if isinstance(value, _BYTES):  # taken for text here; a binary is refused later
        value = bytes(value).decode("utf-8", "surrogateescape")
    if value == "" and version.takes_empty_type:
        return
    if isinstance(value, str) and value in QUEUE_TYPES:
        if value != "classic":
            kind = f"rabbit_{value}_queue"
            raise refusals.failed(f"Cannot declare a server-named queue for type {kind}")
    elif value is None:
        if version.fails_at_void_type:
            raise refusals.failure()
    elif version.names_unknown_types and isinstance(value, str | bool):
        raise refusals.unknown_queue_type(_text(value, version))
    else:
        raise refusals.failure()


def check_queue_type(
    arguments: Table,
    name: str,
    virtual_host: str,
    *,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
) -> str:
    """Return the type of a queue. Raise a refusal for a property that the type does not support."""
    queue_type = str(arguments.get("x-queue-type", "classic"))
    if queue_type == "quorum":
        if auto_delete:
            raise refusals.invalid_property("auto-delete", name, virtual_host)
        if exclusive:
            raise refusals.invalid_property("exclusive-owner", name, virtual_host)
        if not durable:
            raise refusals.invalid_property("non-durable", name, virtual_host)
    return queue_type


def check_master_locator(
    arguments: Table, queue_type: str, version: Version, *, exclusive: bool
) -> None:
    """Raise a refusal for the old argument that selects the node of a new classic queue."""
    if MASTER_LOCATOR not in arguments or queue_type != "classic":
        return
    if version.master_locator == "none":
        raise refusals.not_permitted_any_more("queue_master_locator")
    if version.master_locator == "known" and not exclusive:
        value = arguments[MASTER_LOCATOR]
        name = bytes(value).decode(errors="replace") if isinstance(value, _BYTES) else value
        if name not in MASTER_LOCATORS:
            raise refusals.failure()


def with_default_type(arguments: Table, version: Version) -> Table:
    """Return the arguments of a new queue, without an empty type if it means the default type."""
    if version.takes_empty_type and arguments.get("x-queue-type") == "":
        return {name: value for name, value in arguments.items() if name != "x-queue-type"}
    return arguments


def check_equivalent(
    current: Table,
    received: Table,
    compared: tuple[str, ...],
    kind: str,
    name: str,
    virtual_host: str,
    version: Version,
) -> None:
    """Raise a refusal for the first argument that differs from the existing one."""
    for argument in compared:
        if argument not in received and argument not in current:
            continue
        is_in_both = argument in received and argument in current
        if not is_in_both or not _is_equivalent(received[argument], current[argument]):
            raise _inequivalent(argument, kind, name, virtual_host, received, current, version)


_CLASSES = {
    **dict.fromkeys((*INTEGER_TYPES, "decimal"), "int"),
    **dict.fromkeys(("float", "double"), "float"),
}
"""Types whose values are compared by value (``type_class()`` in ``rabbit_misc``)."""


def _is_equivalent(one: Any, other: Any) -> bool:
    kind, of_other = type_name(one), type_name(other)
    return _CLASSES.get(kind, kind) == _CLASSES.get(of_other, of_other) and bool(one == other)


def _inequivalent(
    argument: str,
    kind: str,
    name: str,
    virtual_host: str,
    received: Table,
    current: Table,
    version: Version,
) -> Refusal:
    def shown(arguments: Table) -> str:
        if argument not in arguments:
            return "none"
        value = arguments[argument]
        text = _text(value, version)
        if argument in received and argument in current:
            return "none" if value is None else f"'{text}'"
        return f"the value '{text}' of type '{type_name(value)}'"

    return refusals.inequivalent(
        argument, kind, name, virtual_host, shown(received), shown(current)
    )


def _text(value: Any, version: Version) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else erlang_term(value, marks_utf8=version.marks_utf8)
