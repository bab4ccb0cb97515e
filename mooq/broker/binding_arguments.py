"""Arguments of bindings, compared with each other and with a message's headers."""

from __future__ import annotations

from typing import Any

from mooq.broker import refusals
from mooq.broker.erlang import erlang_term
from mooq.broker.values import FieldValue, Table, Timestamp, bytes_of, type_name
from mooq.broker.versions import Version

MODES = ("all", "any", "all-with-x", "any-with-x")


def check_match(arguments: Table, version: Version) -> None:
    """Raise a refusal for an ``x-match`` that headers exchanges do not support."""
    if "x-match" not in arguments:
        return
    value = arguments["x-match"]
    if isinstance(value, str) and value in MODES:
        return
    shown = erlang_term(value, marks_utf8=version.marks_utf8)
    if type_name(value) == "longstr":
        raise refusals.failed(
            f"Invalid x-match field value {shown}; expected {', '.join(MODES[:3])}, or {MODES[3]}"
        )
    raise refusals.failed(
        f"Invalid x-match field type {type_name(value)} (value {shown}); expected longstr"
    )


def matches(arguments: Table, headers: Table, version: Version) -> bool:
    """Return whether headers match a binding's arguments, by its ``x-match``.

    Arguments that begin with ``x-`` count only for the modes ``all-with-x`` and ``any-with-x``. A
    void argument matches a header with any value.
    """
    mode = arguments.get("x-match", "all")
    with_x = isinstance(mode, str) and mode.endswith("-with-x")
    required = (
        (name, value)
        for name, value in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    )
    results = (
        name in headers and (value is None or _is_same(value, headers[name], version))
        for name, value in required
    )
    return any(results) if mode in ("any", "any-with-x") else all(results)


def frozen(arguments: Table) -> tuple[Any, ...]:
    """Return arguments as a value to compare and hash, independent of their order."""
    return _typed(dict(sorted(arguments.items()))) if arguments else ()


def _is_same(argument: FieldValue, header: FieldValue, version: Version) -> bool:
    """Return whether an argument and a header are equal.

    Since 4.0, RabbitMQ keeps timestamps of headers in milliseconds, those of arguments in seconds.
    """
    if isinstance(header, Timestamp) and version.matches_strictly:
        header = Timestamp(header * 1000)
    return _untyped(argument, version) == _untyped(header, version)


def _untyped(value: FieldValue, version: Version) -> tuple[Any, ...]:
    """Return a value for comparison with values of other types."""
    if isinstance(value, str | bytes):
        return "text", bytes_of(value)
    if isinstance(value, list | dict):
        return "items", _items(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        kind = "float" if isinstance(value, float) and version.matches_strictly else "number"
        return kind, value
    return type_name(value), value


def _items(value: list[FieldValue] | dict[str, FieldValue]) -> tuple[Any, ...]:
    """Return the items of an array or a table for comparison, with their types."""
    if isinstance(value, dict):
        return tuple((name, *_typed(one)) for name, one in value.items())
    return tuple(map(_typed, value))


def _typed(value: FieldValue) -> tuple[Any, ...]:
    if isinstance(value, str | bytes):
        return type_name(value), bytes_of(value)
    if isinstance(value, list | dict):
        return type_name(value), _items(value)
    return type_name(value), value
