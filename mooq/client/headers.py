"""Headers of a message, checked the same for every transport."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from mooq.basics.utf8 import utf8
from mooq.client.properties import whole_seconds
from mooq.transports.message import HeaderValue

LARGEST_HEADERS = 32 * 1024
LONGEST_HEADER_NAME = 128  # AMQP 0-9-1 §4.2.5.5; clients truncate longer names
LARGEST_INTEGER = 2**63 - 1
LARGEST_DECIMAL = 2**31 - 1  # some clients read the 32 bits as signed, some as unsigned
MOST_DECIMAL_PLACES = 255
RESERVED_HEADERS = frozenset(
    ["CC", "BCC", "x-death"]
    + [
        f"x-{which}-death-{what}"
        for which in ("first", "last")
        for what in ("exchange", "queue", "reason")
    ]
)
ADDED_HEADERS = RESERVED_HEADERS | {"x-delivery-count", "x-acquired-count"}


def check_headers(headers: Mapping[str, HeaderValue]) -> dict[str, Any]:
    """Return a copy of the headers, or raise ``TypeError`` or ``ValueError`` naming the problem.

    Names are str of at most 128 bytes. Values are None, bool, int of 64 bits, finite float, str,
    bytes, datetime with a time zone (fractions of a second are dropped), non-negative Decimal with
    at most 31 bits without its point, and lists and dicts of these. All headers together may take
    32 KiB as JSON, so that they fit into one AMQP frame. ``CC`` and ``BCC`` are refused, because
    RabbitMQ routes by them, and so are ``x-death`` and similar headers, which RabbitMQ writes
    itself. :func:`~mooq.forwardable_headers` removes these.
    """
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping, not {type(headers).__name__}")
    for name in RESERVED_HEADERS & headers.keys():
        raise ValueError(
            f"header {name!r} has a meaning to RabbitMQ, which would change or re-route the "
            "message; choose another name, or pass headers that were received through "
            "mooq.forwardable_headers()"
        )
    try:
        checked = check_table("header", headers)
        text = json.dumps(checked, default=_as_text, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("headers are nested too deeply; flatten them") from None
    size = len(text.encode())
    if size > LARGEST_HEADERS:
        raise ValueError(
            f"headers have {size} bytes as JSON; at most {LARGEST_HEADERS} are allowed: put it "
            "into msg"
        )
    return checked


def forwardable_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return received headers without those that a broker adds or acts on.

    These are ``CC``, ``BCC``, ``x-death`` and similar headers, ``x-delivery-count`` and
    ``x-acquired-count``. The remaining headers can be published unchanged.
    """
    return {name: headers[name] for name in headers if name not in ADDED_HEADERS}


def _as_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def check_table(noun: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an AMQP table, with plain values; errors call a field ``noun``.

    Raises ``TypeError`` and ``ValueError``, and ``RecursionError`` for a table that contains
    itself.
    """
    return {
        _check_name(noun, name): _check_value(f"{noun} {name!r}", table[name]) for name in table
    }


def _check_name(noun: str, name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{noun} name {name!r} must be a str, not {type(name).__name__}")
    if len(utf8(f"{noun} name", name)) > LONGEST_HEADER_NAME:
        raise ValueError(
            f"{noun} name {name[:30]!r}… is too long; at most {LONGEST_HEADER_NAME} bytes"
        )
    return name


def _check_value(place: str, value: object) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        utf8(place, value)
        return str.__str__(value)  # for an enum, its value
    if isinstance(value, int | float | Decimal):
        return _check_number(place, value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime):
        return whole_seconds(f"{place} contains", value)
    if isinstance(value, Mapping):
        return {
            _check_name(place.split()[0], key): _check_value(place, value[key]) for key in value
        }
    if isinstance(value, Sequence):
        return [_check_value(place, item) for item in value]
    raise TypeError(
        f"{place} contains a {type(value).__name__}; allowed are None, bool, int, float, str, "
        "bytes, datetime, Decimal, and lists and dicts of these"
    )


def _check_number(place: str, value: float | Decimal) -> float | Decimal:
    if isinstance(value, Decimal):
        return _check_decimal(place, value)
    if isinstance(value, int):
        if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
            raise ValueError(f"{place} contains {value}; AMQP integers have 64 bits")
        return int(value)
    if not isfinite(value):
        raise ValueError(f"{place} contains {value}; use a finite number or None")
    return float(value)


def _check_decimal(place: str, value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if (
        not isinstance(exponent, int)  # it is NaN or infinite
        or exponent < -MOST_DECIMAL_PLACES
        or not 0 <= value.scaleb(max(-exponent, 0)) <= LARGEST_DECIMAL
    ):
        raise ValueError(
            f"{place} contains {value}; an AMQP decimal is not negative, has at most "
            f"{MOST_DECIMAL_PLACES} places, and is at most {LARGEST_DECIMAL} without its point: "
            "use a str"
        )
    return value
