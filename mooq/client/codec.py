"""Message ↔ bytes: strict JSON, the same for every transport.

What leaves is refused unless JSON can hold it; what arrives is read by its content type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any

from mooq.basics.utf8 import utf8
from mooq.client import json_text
from mooq.transports.message import JSON_TYPE, Delivery, HeaderValue, IncomingMessage, Message

LARGEST_BODY = 16 * 1024 * 1024
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
NO_CHARSET = frozenset({"", "binary", "identity", "7bit", "8bit"})
"""Values of content_encoding that say nothing of a charset; kombu writes "binary" for bytes."""

_CHARSET = re.compile(r';\s*charset\s*=\s*(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)
"""The parameter of a media type (RFC 9110 §8.3.1)."""


def encode(msg: object) -> bytes:
    """Return a message as JSON in UTF-8, at most 16 MiB of it.

    Raises ``TypeError`` for what JSON has no form for (bytes, a set, an object), ``ValueError``
    for what it has no value for (NaN, a cycle, nesting too deep) and for more than 16 MiB, the
    most that RabbitMQ 4 takes by default.
    """
    text = json_text.write(msg)
    body = utf8("msg", text)
    if len(body) > LARGEST_BODY:
        raise ValueError(
            f"msg has {len(body)} bytes as JSON; at most {LARGEST_BODY} (16 MiB) are allowed: "
            "store it elsewhere and publish where"
        )
    return body


def decode(delivery: Delivery) -> IncomingMessage:
    """Return what a callback is given. Raises ``ValueError`` for a body that is not what it says.

    The content type decides: JSON for ``application/json``, ``…+json`` and none at all (as the
    mooq of 2017 sent), ``str`` for ``text/…``, ``bytes`` for anything else. Text and JSON are in
    the charset that the content type or else the content encoding names. Without one, text is
    UTF-8, and JSON is UTF-8, UTF-16 or UTF-32. A byte order mark is dropped.
    """
    message = delivery.message
    # One message may be in several queues, or be delivered again: each time with its own headers.
    headers = deepcopy(dict(message.headers)) if message.headers else {}
    return {
        "msg": _decode_body(message),
        "routing_key": message.routing_key,
        "exchange_name": message.exchange,
        "redelivered": delivery.redelivered,
        "headers": headers,
        "message_id": message.message_id,
    }


def _decode_body(message: Message) -> Any:
    body, content_type = message.body, message.content_type
    if content_type == JSON_TYPE and message.content_encoding is None:  # of nearly every message
        return json_text.read(body)
    kind, _, parameters = (content_type or JSON_TYPE).partition(";")
    kind = kind.strip().lower()
    is_text = kind.startswith("text/")
    if not is_text and kind != JSON_TYPE and not kind.endswith("+json"):
        return body
    charset = _charset(parameters, message.content_encoding)
    return json_text.text_of(body, charset or "utf-8") if is_text else json_text.read(body, charset)


def _charset(parameters: str, content_encoding: str | None) -> str | None:
    """Return the charset that a content type names, else the content encoding; None if neither.

    Raises ``ValueError`` for one that is unknown.
    """
    found = _CHARSET.search(f";{parameters}")
    named = found and (found[1] or found[2])
    where = "content_type"
    if not named and (content_encoding or "").lower() not in NO_CHARSET:
        named, where = content_encoding, "content_encoding"
    if not named:
        return None
    with suppress(LookupError, ValueError):  # ValueError for a name that cannot be one
        b"?".decode(named, "replace")
        return named
    raise ValueError(f"the body cannot be read: {where} names {named!r}, an unknown charset")


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
