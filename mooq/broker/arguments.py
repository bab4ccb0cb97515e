"""Arguments of queues and exchanges: type, range, which queue type takes them, equivalence.

A refusal names the value with its type on the wire, as RabbitMQ's does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mooq.broker import refusals
from mooq.broker.refusals import Refusal
from mooq.broker.values import INTEGER_TYPES, Table, type_name
from mooq.broker.versions import Version

LONGEST_TIME = 4_294_967_295  # milliseconds
MOST_PRIORITIES = 255
OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
QUEUE_TYPES = ("classic", "quorum", "stream")

Check = Callable[[Any, Table], str | None]
"""Returns why a value is invalid, in RabbitMQ's words; None if it is not."""


def _integer(value: Any, _: Table) -> str | None:
    kind = type_name(value)
    return None if kind in INTEGER_TYPES else f'"expected integer, got {kind}"'


def _count(value: Any, arguments: Table) -> str | None:
    why = _integer(value, arguments)
    return why or (f"{{value_negative,{value}}}" if value < 0 else None)


def _milliseconds(value: Any, arguments: Table) -> str | None:
    why = _count(value, arguments)
    return why or (f"{{value_too_big,{value}}}" if value > LONGEST_TIME else None)


def _expires(value: Any, arguments: Table) -> str | None:
    why = _integer(value, arguments)
    return why or ("{value_zero,0}" if value == 0 else _milliseconds(value, arguments))


def _priorities(value: Any, arguments: Table) -> str | None:
    why = _count(value, arguments)
    return why or (f"{{max_value_exceeded,{value}}}" if value > MOST_PRIORITIES else None)


def _string(value: Any, _: Table) -> str | None:
    kind = type_name(value)
    return None if kind == "longstr" else f"{{unacceptable_type,{kind}}}"


def _boolean(value: Any, _: Table) -> str | None:
    kind = type_name(value)
    return None if kind == "bool" else f"{{unacceptable_type,{kind}}}"


def _dead_letter_key(value: Any, arguments: Table) -> str | None:
    why = _string(value, arguments)
    if why is None and "x-dead-letter-exchange" not in arguments:
        return "routing_key_but_no_dlx_defined"
    return why


def _one_of(choices: tuple[str, ...], otherwise: str) -> Check:
    def check(value: Any, arguments: Table) -> str | None:
        why = _string(value, arguments)
        return why or (None if value in choices else otherwise)

    return check


def _queue_mode(value: Any, arguments: Table) -> str | None:
    why = _string(value, arguments)
    if why or value in ("default", "lazy"):
        return why
    return f"\"unsupported queue mode '{value}'\""


def _queue_type(value: Any, arguments: Table) -> str | None:
    why = _string(value, arguments)
    return why or (None if value in QUEUE_TYPES else f"\"unsupported queue type '{value}'\"")


CHECKS: dict[str, Check] = {
    "x-queue-type": _queue_type,
    "x-expires": _expires,
    "x-message-ttl": _milliseconds,
    "x-dead-letter-routing-key": _dead_letter_key,
    "x-max-length": _count,
    "x-max-length-bytes": _count,
    "x-max-in-memory-length": _count,
    "x-max-in-memory-bytes": _count,
    "x-max-priority": _priorities,
    "x-overflow": _one_of(OVERFLOWS, "invalid_overflow"),
    "x-queue-mode": _queue_mode,
    "x-single-active-consumer": _boolean,
    "x-quorum-initial-group-size": _count,
    "x-delivery-limit": _integer,
}
"""The arguments that RabbitMQ checks when a queue is declared, in its order."""

COMPARED = (
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-single-active-consumer",
)
"""The arguments of any queue that must be the same when it is declared again."""

CONSUMER_TIMEOUT = "x-consumer-timeout"

NOT_OF_QUORUM = ("x-max-priority", "x-queue-mode")
NOT_OF_CLASSIC = ("x-delivery-limit", "x-quorum-initial-group-size", "x-dead-letter-strategy")


def check_queue_arguments(
    arguments: Table, name: str, virtual_host: str, unchecked: frozenset[str] = frozenset()
) -> None:
    """Raise the refusal of the first argument whose value is invalid.

    ``unchecked`` are arguments that the version does not know.
    """
    if not arguments:
        return
    kind = type_name(arguments.get("x-dead-letter-exchange", ""))
    if kind != "longstr":
        raise refusals.invalid_type("x-dead-letter-exchange", name, virtual_host, kind)
    is_quorum = arguments.get("x-queue-type") == "quorum"
    skipped = unchecked.union(NOT_OF_QUORUM if is_quorum else NOT_OF_CLASSIC)
    for argument, check in CHECKS.items():
        if argument in arguments and argument not in skipped:
            why = check(arguments[argument], arguments)
            if why is not None:
                raise refusals.invalid_argument(argument, "queue", name, virtual_host, why)


def compared(queue_type: str, version: Version) -> tuple[str, ...]:
    """Return the arguments that must be the same when a queue is declared again."""
    if queue_type == "quorum" and version.consumer_timeout_argument == "quorum":
        return (*COMPARED, CONSUMER_TIMEOUT)
    return COMPARED


def check_consumer_timeout(
    arguments: Table, queue_type: str, name: str, virtual_host: str, version: Version
) -> None:
    """Raise the refusal of a queue's, or a consumer's, time to acknowledge."""
    if version.consumer_timeout_argument != "quorum" or CONSUMER_TIMEOUT not in arguments:
        return
    if queue_type != "quorum":
        raise refusals.argument_of_another_type(CONSUMER_TIMEOUT, name, virtual_host, queue_type)
    why = _count(arguments[CONSUMER_TIMEOUT], arguments)
    if why is not None:
        raise refusals.invalid_argument(CONSUMER_TIMEOUT, "queue", name, virtual_host, why)


def consumer_priority(arguments: Table, queue_name: str, virtual_host: str) -> int:
    """Return a consumer's priority. Raise the refusal of one that is no integer."""
    if "x-priority" not in arguments:
        return 0
    value = arguments["x-priority"]
    kind = type_name(value)
    if kind not in INTEGER_TYPES:
        raise refusals.invalid_argument(
            "x-priority", "queue", queue_name, virtual_host, f'"expected integer, got {kind}"'
        )
    return int(value)


def consumer_timeout(
    of_consumer: Table, of_queue: Table, queue_type: str, default: float | None, version: Version
) -> float | None:
    """Return the seconds in which a consumer must acknowledge; None for no limit.

    ``default`` is that of the broker.
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
    """Raise the refusal of a type that a queue cannot have which is to be named by the broker."""
    if "x-queue-type" not in arguments:
        return
    value = arguments["x-queue-type"]
    if isinstance(value, str) and value in QUEUE_TYPES:
        if value != "classic":
            kind = f"rabbit_{value}_queue"
            raise refusals.failed(f"Cannot declare a server-named queue for type {kind}")
    elif value is None:
        if version.fails_at_void_type:
            raise refusals.failure()
    elif version.names_unknown_types and isinstance(value, str | bool):
        raise refusals.unknown_queue_type(_text(value))
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
    """Return the type of a queue. Raise the refusal of what that type does not take."""
    queue_type = str(arguments.get("x-queue-type", "classic"))
    if queue_type == "stream":
        raise refusals.no_streams(name, virtual_host)
    unwanted = NOT_OF_QUORUM if queue_type == "quorum" else NOT_OF_CLASSIC
    for argument in unwanted:
        if argument in arguments:
            raise refusals.argument_of_another_type(argument, name, virtual_host, queue_type)
    if queue_type == "quorum":
        if arguments.get("x-overflow") == "reject-publish-dlx":
            raise refusals.argument_of_another_type("x-overflow", name, virtual_host, queue_type)
        if auto_delete:
            raise refusals.invalid_property("auto-delete", name, virtual_host)
        if exclusive:
            raise refusals.invalid_property("exclusive-owner", name, virtual_host)
        if not durable:
            raise refusals.invalid_property("non-durable", name, virtual_host)
    return queue_type


def check_equivalent(
    current: Table,
    received: Table,
    compared: tuple[str, ...],
    kind: str,
    name: str,
    virtual_host: str,
) -> None:
    """Raise the refusal of the first argument that differs from what exists."""
    for argument in compared:
        one, other = received.get(argument), current.get(argument)
        if argument not in received and argument not in current:
            continue
        if not _is_equivalent(one, other):
            raise _inequivalent(argument, kind, name, virtual_host, received, current)


def _is_equivalent(one: Any, other: Any) -> bool:
    if type_name(one) in INTEGER_TYPES and type_name(other) in INTEGER_TYPES:
        return bool(one == other)
    return type_name(one) == type_name(other) and bool(one == other)


def _inequivalent(
    argument: str, kind: str, name: str, virtual_host: str, received: Table, current: Table
) -> Refusal:
    def shown(arguments: Table) -> str:
        if argument not in arguments:
            return "none"
        value = arguments[argument]
        if argument in received and argument in current:
            return f"'{_text(value)}'"
        return f"the value '{_text(value)}' of type '{type_name(value)}'"

    return refusals.inequivalent(
        argument, kind, name, virtual_host, shown(received), shown(current)
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
