"""Converting messages to bytes and back, the same for every transport.

Without a content type a message is encoded as strict JSON, or refused. With one, the content type
decides. A received body is decoded by its content type.
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
"""The largest decompressed body, in bytes: a small body could otherwise fill the memory."""
GZIP = frozenset({"gzip", "x-gzip"})
COMPRESSIONS = GZIP | {"deflate"}
"""Values of content_encoding that mean compression (RFC 9110 §8.4.1)."""
NO_CHARSET = COMPRESSIONS | {"", "binary", "identity", "7bit", "8bit"}
"""Values of content_encoding that name no charset; kombu writes "binary" for bytes."""

_CHARSET = re.compile(r';\s*charset\s*=\s*(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)
"""The parameter of a media type (RFC 9110 §8.3.1)."""


class Kind(Enum):
    """The kinds of body that content types stand for."""

    JSON = auto()
    TEXT = auto()
    BYTES = auto()


def encode(msg: object) -> bytes:
    """Return a message as JSON in UTF-8, at most 16 MiB.

    Raises ``TypeError`` for a type that JSON lacks (bytes, a set, an object). Raises ``ValueError``
    for a value that JSON lacks (NaN, a cycle, nesting that is too deep), and for more than 16 MiB,
    RabbitMQ 4's default limit.
    """
    try:
        body = utf8("msg", json_text.write(msg))
    except TypeError as error:
        if isinstance(msg, bytes | bytearray | memoryview):
            raise TypeError(
                f"{error}; or pass a content_type to send the bytes unchanged"
            ) from None
        raise
    if len(body) > LARGEST_BODY:
        raise _too_large(len(body), " as JSON")
    return body


def encode_as(msg: object, content_type: str | None, content_encoding: str | None) -> bytes:
    """Return a message encoded as its content type and content encoding say.

    ``bytes`` with a content type are sent unchanged. A ``str`` is sent as text for ``text/…``.
    Anything that JSON can represent is sent as JSON for ``application/json``, ``…+json`` or no
    content type. Both use the charset that the content type, or else the content encoding, names,
    by default UTF-8. They are compressed if the content encoding is ``gzip`` or ``deflate``. Raises
    ``TypeError`` and ``ValueError``.
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
        charset = _charset(parameters, content_encoding, "msg cannot be encoded") or "utf-8"
        body = _compressed(_in_charset(text, charset), content_encoding)
    if len(body) > LARGEST_BODY:
        raise _too_large(len(body), "")
    return body


def decode(delivery: Delivery, undecodable_as_bytes: bool = False) -> IncomingMessage:
    """Return the message for a callback. Raises ``ValueError`` for an undecodable body.

    The content type decides: JSON for ``application/json``, ``…+json`` and none at all (mooq 0.1.1
    sent none), ``str`` for ``text/…``, ``bytes`` for anything else. Text and JSON are decompressed
    if the content encoding is ``gzip`` or ``deflate``, and use the charset that the content type,
    or else the content encoding, names. Without one, text is UTF-8, and JSON is UTF-8, UTF-16 or
    UTF-32. A byte order mark is dropped. With ``undecodable_as_bytes``, an undecodable body is
    returned unchanged instead of raising.
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
    if (
        content_type == JSON_TYPE and message.content_encoding is None
    ):  # true of nearly every message
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
    """Return the kind of body for a content type, and the type's parameters."""
    kind, _, parameters = (content_type or JSON_TYPE).partition(";")
    kind = kind.strip().lower()
    if kind.startswith("text/"):
        return Kind.TEXT, parameters
    is_json = kind == JSON_TYPE or kind.endswith("+json")
    return Kind.JSON if is_json else Kind.BYTES, parameters


def _charset(parameters: str, content_encoding: str | None, problem: str) -> str | None:
    """Return the charset that the content type, or else the content encoding, names, or None.

    Raises ``ValueError`` for an unknown charset, with a text that begins with the problem.
    """
    found = _CHARSET.search(f";{parameters}")
    named = found and (found[1] or found[2])
    where = "content_type"
    if not named and (content_encoding or "").lower() not in NO_CHARSET:
        named, where = content_encoding, "content_encoding"
    if not named:
        return None
    with suppress(LookupError, ValueError):  # ValueError for an impossible name
        b"?".decode(named, "replace")
        return named
    raise ValueError(f"{problem}: {where} names {named!r}, an unknown charset")


def _in_charset(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"msg cannot be encoded: {charset} has no {error.object[error.start]!r}"
        ) from None


def _compressed(body: bytes, content_encoding: str | None) -> bytes:
    encoding = (content_encoding or "").lower()
    if encoding in GZIP:
        return gzip.compress(body, mtime=0)
    return zlib.compress(body) if encoding in COMPRESSIONS else body


def _unpacked(body: bytes, content_encoding: str | None) -> bytes:
    """Return a body decompressed, if it was compressed. Raises ``ValueError``."""
    encoding = (content_encoding or "").lower()
    if encoding not in COMPRESSIONS:
        return body
    # Some clients write "deflate" without its zlib header.
    bare = encoding not in GZIP and (body[:1] or b"x")[0] & 0x0F != zlib.DEFLATED
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
    try:
        unpacked = unpacking.decompress(body, LARGEST_UNPACKED)
    except zlib.error as error:
        raise ValueError(
            f"the body cannot be read: it is not {content_encoding!r}, its content_encoding"
        ) from error
    if unpacking.unconsumed_tail:
        raise ValueError(
            f"the body cannot be read: it has more than {LARGEST_UNPACKED} bytes uncompressed"
        )
    if not unpacking.eof:
        raise ValueError("the body cannot be read: it is truncated")
    return unpacked


def _too_large(size: int, as_what: str) -> ValueError:
    return ValueError(
        f"msg has {size} bytes{as_what}; at most {LARGEST_BODY} (16 MiB) are allowed: "
        "store it elsewhere and publish its location"
    )
