"""Headers that a user gives a message, checked the same for every transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mooq.basics.utf8 import utf8
from mooq.client import json_text
from mooq.transports.message import HeaderValue

LARGEST_HEADERS = 32 * 1024
LONGEST_HEADER_NAME = 128  # AMQP 0-9-1 §4.2.5.5; the client cuts off what is longer
LARGEST_INTEGER = 2**63 - 1
RESERVED_HEADERS = frozenset(
    ["CC", "BCC", "x-death"]
    + [
        f"x-{which}-death-{what}"
        for which in ("first", "last")
        for what in ("exchange", "queue", "reason")
    ]
)


def check_headers(headers: Mapping[str, HeaderValue] | None) -> dict[str, Any] | None:
    """Return a copy of the headers, or raise ``TypeError`` or ``ValueError`` naming what is wrong.

    Names are str of at most 128 bytes; values None, bool, int of 64 bits, str, and lists and
    dicts of these; 32 KiB as JSON, well inside the one AMQP frame that must hold them. No float:
    the client sends single precision, so 0.1 would arrive as another number. Neither ``CC``
    nor ``BCC``, by which RabbitMQ routes elsewhere too, nor ``x-death`` and its kin, which it
    writes itself.
    """
    if headers is None:
        return None
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping, not {type(headers).__name__}")
    for name in RESERVED_HEADERS & headers.keys():
        raise ValueError(
            f"header {name!r} has a meaning to RabbitMQ, which would change or re-route the "
            "message; choose another name"
        )
    try:
        checked = {_check_header_name(name): _check_header(name, headers[name]) for name in headers}
        text = json_text.write(checked, "headers")
        plain: dict[str, Any] = json_text.read(text.encode())  # of an enum, say, its value
    except RecursionError:
        raise ValueError("headers are nested too deeply; flatten them") from None
    size = len(text.encode())
    if size > LARGEST_HEADERS:
        raise ValueError(
            f"headers have {size} bytes as JSON; at most {LARGEST_HEADERS} are allowed: put it "
            "into msg"
        )
    return plain


def _check_header_name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"header name {name!r} must be a str, not {type(name).__name__}")
    if len(utf8("header name", name)) > LONGEST_HEADER_NAME:
        raise ValueError(
            f"header name {name[:30]!r}… is too long; at most {LONGEST_HEADER_NAME} bytes"
        )
    return name


def _check_header(name: str, value: object) -> Any:
    if isinstance(value, str):
        utf8(f"header {name!r}", value)
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
            raise ValueError(f"header {name!r} holds {value}; AMQP integers have 64 bits")
        return value
    if isinstance(value, Mapping):
        return {_check_header_name(key): _check_header(name, value[key]) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_check_header(name, item) for item in value]
    raise TypeError(
        f"header {name!r} holds a {type(value).__name__}; allowed are None, bool, int, str, and "
        "lists and dicts of these"
    )
