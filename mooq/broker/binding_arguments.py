"""Arguments of bindings: when two are the same, and which headers match them."""

from __future__ import annotations

from typing import Any

from mooq.broker import refusals
from mooq.broker.erlang import erlang_term
from mooq.broker.values import FieldValue, Table, Timestamp, type_name
from mooq.broker.versions import Version

MODES = ("all", "any", "all-with-x", "any-with-x")


def check_match(arguments: Table, version: Version) -> None:
    """Raise the refusal of an ``x-match`` that a headers exchange has no meaning for."""
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
    void argument asks only for the header to be there.
    """
    mode = arguments.get("x-match", "all")
    with_x = isinstance(mode, str) and mode.endswith("-with-x")
    wanted = (
        (name, value)
        for name, value in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    )
    found = (
        name in headers and (value is None or _is_same(value, headers[name], version))
        for name, value in wanted
    )
    return any(found) if mode in ("any", "any-with-x") else all(found)


def frozen(arguments: Table) -> tuple[Any, ...]:
    """Return arguments so that those of one binding are equal; their order does not matter."""
    return _typed(dict(sorted(arguments.items()))) if arguments else ()


def _is_same(argument: FieldValue, header: FieldValue, version: Version) -> bool:
    """Return whether an argument and a header are the same.

    Since 4.0, RabbitMQ holds a header's time in milliseconds, but that of an argument in seconds.
    """
    if isinstance(header, Timestamp) and version.matches_strictly:
        header = Timestamp(header * 1000)
    return _untyped(argument, version) == _untyped(header, version)


def _untyped(value: FieldValue, version: Version) -> tuple[Any, ...]:
    """Return a value so that it is equal to the same value of another type."""
    if isinstance(value, str | bytes):
        return "text", _bytes(value)
    if isinstance(value, list | dict):
        return "items", _items(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        kind = "float" if isinstance(value, float) and version.matches_strictly else "number"
        return kind, value
    return type_name(value), value


def _items(value: list[FieldValue] | dict[str, FieldValue]) -> tuple[Any, ...]:
    """Return what is in an array or a table; there, values are the same if their types are."""
    if isinstance(value, dict):
        return tuple((name, *_typed(one)) for name, one in value.items())
    return tuple(map(_typed, value))


def _typed(value: FieldValue) -> tuple[Any, ...]:
    if isinstance(value, str | bytes):
        return type_name(value), _bytes(value)
    if isinstance(value, list | dict):
        return type_name(value), _items(value)
    return type_name(value), value


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
