"""Message ↔ bytes, the same for every transport.

Without a content type, what leaves is strict JSON: refused unless JSON can hold it. With one, it is
what the type says. What arrives is read by its content type.
"""

from __future__ import annotations

import gzip
import re
import zlib
from contextlib import suppress
from copy import deepcopy
from enum import Enum, auto
from typing import Any

from mooq.basics.utf8 import utf8
from mooq.client import json_text
from mooq.client.properties import ABSENT, check_text, received
from mooq.transports.message import JSON_TYPE, NO_PROPERTIES, Delivery, IncomingMessage, Message

LARGEST_BODY = 16 * 1024 * 1024
LARGEST_UNPACKED = 128 * 1024 * 1024
"""Bytes that a compressed body may become: a small one could be made to fill the memory."""
GZIP = frozenset({"gzip", "x-gzip"})
COMPRESSIONS = GZIP | {"deflate"}
"""Values of content_encoding that are compressions (RFC 9110 §8.4.1)."""
NO_CHARSET = COMPRESSIONS | {"", "binary", "identity", "7bit", "8bit"}
"""Values of content_encoding that say nothing of a charset; kombu writes "binary" for bytes."""

_CHARSET = re.compile(r';\s*charset\s*=\s*(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)
"""The parameter of a media type (RFC 9110 §8.3.1)."""


class Kind(Enum):
    """What a content type makes of a body."""

    JSON = auto()
    TEXT = auto()
    BYTES = auto()


def encode(msg: object) -> bytes:
    """Return a message as JSON in UTF-8, at most 16 MiB of it.

    Raises ``TypeError`` for what JSON has no form for (bytes, a set, an object), ``ValueError``
    for what it has no value for (NaN, a cycle, nesting too deep) and for more than 16 MiB, the
    most that RabbitMQ 4 takes by default.
    """
    try:
        body = utf8("msg", json_text.write(msg))
    except TypeError as error:
        if isinstance(msg, bytes | bytearray | memoryview):
            raise TypeError(f"{error}; or give a content_type, to send bytes as they are") from None
        raise
    if len(body) > LARGEST_BODY:
        raise _too_large(len(body), " as JSON")
    return body


def encode_as(msg: object, content_type: str | None, content_encoding: str | None) -> bytes:
    """Return a message as its content type and encoding say.

    ``bytes`` with a content type are sent as they are. A ``str`` is text for ``text/…``; anything
    that JSON can hold is JSON for ``application/json``, ``…+json`` and no content type. Both are in
    the charset that the content type or else the encoding names, or in UTF-8, and compressed where
    the encoding is ``gzip`` or ``deflate``. Raises ``TypeError`` and ``ValueError``.
    """
    for name, value in (("content_type", content_type), ("content_encoding", content_encoding)):
        if value is not None:
            check_text(name, value)
    kind, parameters = _kind(content_type)
    if content_type is not None and isinstance(msg, bytes | bytearray | memoryview):
        body = bytes(msg)
    elif kind is Kind.BYTES or (kind is Kind.TEXT and not isinstance(msg, str)):
        raise TypeError(
            f"msg must be {'a str or ' * (kind is Kind.TEXT)}bytes for content_type "
            f"{content_type!r}, not {type(msg).__name__}: encode it, or leave content_type out for "
            "JSON"
        )
    else:
        text = msg if kind is Kind.TEXT and isinstance(msg, str) else json_text.write(msg)
        charset = _charset(parameters, content_encoding, "msg cannot be written") or "utf-8"
        body = _compressed(_in_charset(text, charset), content_encoding)
    if len(body) > LARGEST_BODY:
        raise _too_large(len(body), "")
    return body


def decode(delivery: Delivery, undecodable_as_bytes: bool = False) -> IncomingMessage:
    """Return what a callback is given. Raises ``ValueError`` for a body that is not what it says.

    The content type decides: JSON for ``application/json``, ``…+json`` and none at all (as the
    mooq of 2017 sent), ``str`` for ``text/…``, ``bytes`` for anything else. Text and JSON are
    unpacked where the content encoding is ``gzip`` or ``deflate``, and are in the charset that the
    content type or else the content encoding names. Without one, text is UTF-8, and JSON is UTF-8,
    UTF-16 or UTF-32. A byte order mark is dropped. With ``undecodable_as_bytes`` a body that is not
    what it says is given as it came, and nothing raised.
    """
    message = delivery.message
    # One message may be in several queues, or be delivered again: each time with its own headers.
    headers = deepcopy(dict(message.headers)) if message.headers else {}
    try:
        msg = _decode_body(message)
    except ValueError:
        if not undecodable_as_bytes:
            raise
        msg = message.body
    properties = message.properties
    incoming: Any = {
        "msg": msg,
        "routing_key": message.routing_key,
        "exchange_name": message.exchange,
        "redelivered": delivery.redelivered,
        "headers": headers,
        "message_id": message.message_id,
        "body": message.body,
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "persistent": message.persistent,
        **(ABSENT if properties is NO_PROPERTIES else received(properties)),
    }
    return incoming  # type: ignore[no-any-return] # its properties are those of a NamedTuple


def _decode_body(message: Message) -> Any:
    body, content_type = message.body, message.content_type
    if content_type == JSON_TYPE and message.content_encoding is None:  # of nearly every message
        return json_text.read(body)
    kind, parameters = _kind(content_type)
    if kind is Kind.BYTES:
        return body
    body = _unpacked(body, message.content_encoding)
    charset = _charset(parameters, message.content_encoding, "the body cannot be read")
    if kind is Kind.TEXT:
        return json_text.text_of(body, charset or "utf-8")
    return json_text.read(body, charset)


def _kind(content_type: str | None) -> tuple[Kind, str]:
    """Return what a content type makes of a body, and the parameters of the type."""
    kind, _, parameters = (content_type or JSON_TYPE).partition(";")
    kind = kind.strip().lower()
    if kind.startswith("text/"):
        return Kind.TEXT, parameters
    is_json = kind == JSON_TYPE or kind.endswith("+json")
    return Kind.JSON if is_json else Kind.BYTES, parameters


def _charset(parameters: str, content_encoding: str | None, problem: str) -> str | None:
    """Return the charset that a content type names, else the content encoding; None if neither.

    Raises ``ValueError`` for one that is unknown, beginning with the problem.
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
    raise ValueError(f"{problem}: {where} names {named!r}, an unknown charset")


def _in_charset(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"msg cannot be written: {charset} has no {error.object[error.start]!r}"
        ) from None


def _compressed(body: bytes, content_encoding: str | None) -> bytes:
    encoding = (content_encoding or "").lower()
    if encoding in GZIP:
        return gzip.compress(body, mtime=0)
    return zlib.compress(body) if encoding in COMPRESSIONS else body


def _unpacked(body: bytes, content_encoding: str | None) -> bytes:
    """Return a body as it was before it was compressed, if it was. Raises ``ValueError``."""
    encoding = (content_encoding or "").lower()
    if encoding not in COMPRESSIONS:
        return body
    # Some write "deflate" without the header that it should have.
    bare = encoding not in GZIP and (body[:1] or b"x")[0] & 0x0F != zlib.DEFLATED
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
    try:
        unpacked = unpacking.decompress(body, LARGEST_UNPACKED)
    except zlib.error as error:
        raise ValueError(
            f"the body cannot be read: its content_encoding is {content_encoding!r}, and it is not"
        ) from error
    if unpacking.unconsumed_tail:
        raise ValueError(
            f"the body cannot be read: unpacked it has more than {LARGEST_UNPACKED} bytes"
        )
    if not unpacking.eof:
        raise ValueError("the body cannot be read: its end is missing")
    return unpacked


def _too_large(size: int, as_what: str) -> ValueError:
    return ValueError(
        f"msg has {size} bytes{as_what}; at most {LARGEST_BODY} (16 MiB) are allowed: "
        "store it elsewhere and publish where"
    )
