"""JSON text, written strictly and read leniently."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring
from typing import Any

from mooq.client.json_faults import decoding_error, encoding_error

_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_decoder = json.JSONDecoder()

# json.JSONEncoder creates a C encoder for each message, a third of a small message's encoding time.
# This is the same encoder, created once. A cycle ends like too deep nesting, by recursion error.
_c_encoder: Any = getattr(json.encoder, "c_make_encoder", None)
_pieces: Callable[[object, int], Iterable[str]] | None = _c_encoder and _c_encoder(
    None,
    _encoder.default,
    encode_basestring,
    _encoder.indent,
    _encoder.key_separator,
    _encoder.item_separator,
    _encoder.sort_keys,
    _encoder.skipkeys,
    _encoder.allow_nan,
)


def write(value: object, name: str = "msg") -> str:
    """Return a value as JSON. ``name`` is the value's name in errors.

    Raises ``TypeError`` for a type that JSON lacks (bytes, a set, an object). Raises ``ValueError``
    for a value that JSON lacks (NaN, an infinity, a cycle), and for nesting that is too deep.
    """
    try:
        if _pieces is not None:
            return "".join(_pieces(value, 0))
        return _encoder.encode(value)
    except (RecursionError, TypeError, ValueError) as error:
        raise encoding_error(value, error, name) from error


def read(body: bytes, encoding: str | None = None) -> Any:
    """Return the value of a JSON body in a charset; without one, like ``json.loads(body)``.

    Without a charset it detects UTF-8, UTF-16 or UTF-32 by the first bytes (RFC 4627 §3). A byte
    order mark is dropped. NaN and the infinities, which Python and others write, are accepted.
    Raises ``ValueError``.
    """
    try:
        if encoding is None:
            text = body.decode()
            # raw_decode() does not look for white space around the value; decode() handles it
            # better when there is some, or no value at all.
            if not text[:1].isspace():
                value, end = _decoder.raw_decode(text)
                if end == len(text):
                    return value
    except (ValueError, RecursionError):
        pass  # the code below finds the problem
    text = text_of(body, encoding or json.detect_encoding(body))
    try:
        return _decoder.decode(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(
            f"the body is not JSON, though its content type says so: {decoding_error(error)}"
        ) from error


def text_of(body: bytes, encoding: str) -> str:
    """Return a body as text, without a byte order mark. Raises ``ValueError``."""
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"the body cannot be read: byte {error.start} is not {encoding}"
        ) from error
    return text.removeprefix("\ufeff")
