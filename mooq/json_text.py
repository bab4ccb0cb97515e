"""JSON as text: written strictly, read leniently, and errors in mooq's own words.

Python's words differ from version to version, and what they say reaches users and logs.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring
from typing import Any

_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_decoder = json.JSONDecoder()

# json.JSONEncoder makes its own encoder in C anew for each message, a third of what a small one
# takes. This is the same, made once. It ends at a cycle as at nesting too deep: at the stack's end.
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
    """Return a value as JSON. ``name`` is what errors call the value.

    Raises ``TypeError`` for a type that JSON lacks (bytes, a set, an object), ``ValueError`` for
    a value that it lacks (NaN, an infinity, a cycle) and for nesting that is too deep.
    """
    try:
        if _pieces is not None:
            return "".join(_pieces(value, 0))
        return _encoder.encode(value)
    except (RecursionError, TypeError, ValueError) as error:
        found: BaseException = error
    try:
        fault = _fault(value, name, ())
    except RecursionError:
        fault = None
    if fault is not None:
        raise fault from found
    raise ValueError(f"{name} is nested too deeply for JSON; flatten it") from found


def _fault(value: object, where: str, above: tuple[int, ...]) -> Exception | None:
    """Return what is wrong with the first part that JSON cannot hold."""
    if isinstance(value, dict | list | tuple):
        return _fault_within(value, where, above)
    wrong = f"{where} is not JSON: "
    if isinstance(value, float) and not math.isfinite(value):
        return ValueError(f"{wrong}it has no number {float.__repr__(value)}; use None or a str")
    if isinstance(value, int):
        digits = sys.get_int_max_str_digits()
        if digits and abs(value) >= 10**digits:
            return ValueError(f"{wrong}an int of more than {digits} digits; use a str")
    if not isinstance(value, str | int | float | None):
        return TypeError(
            f"{wrong}its type is {type(value).__name__}; convert it to a str, number, list or dict"
        )
    return None


def _fault_within(
    value: dict[object, object] | list[object] | tuple[object, ...],
    where: str,
    above: tuple[int, ...],
) -> Exception | None:
    if id(value) in above:
        return ValueError(f"{where} is not JSON: it contains itself; leave that out")
    if isinstance(value, dict):
        for key in value:
            if isinstance(key, dict | list | tuple) or _fault(key, where, ()):
                kind = type(key).__name__
                error = ValueError if isinstance(key, float | int) else TypeError
                return error(f"{where} is not JSON: it has the key {key!r} of type {kind}; use str")
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if fault := _fault(part, f"{where}[{key!r}]", (*above, id(value))):
            return fault
    return None


def read(body: bytes, encoding: str | None = None) -> Any:
    """Return the value of a body in a charset; as ``json.loads(body)`` without one.

    Without one the charset is UTF-8, UTF-16 or UTF-32, found out by the first bytes (RFC 4627
    §3). A byte order mark is dropped. NaN and the infinities, which Python and others write, are
    read. Raises ``ValueError``.
    """
    try:
        if encoding is None:
            text = body.decode()
            # raw_decode() spares the search for white space around the value; decode() knows
            # better when there is some, or no value at all.
            if not text[:1].isspace():
                value, end = _decoder.raw_decode(text)
                if end == len(text):
                    return value
    except (ValueError, RecursionError):
        pass  # read with care below, which says what is wrong
    text = text_of(body, encoding or json.detect_encoding(body))
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise ValueError("the body is not JSON that can be read: nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            "the body is not JSON, though its content type says so: see line "
            f"{error.lineno}, column {error.colno}"
        ) from error
    except ValueError as error:
        raise ValueError(
            "the body is not JSON that can be read: it holds a number of too many digits"
        ) from error


def text_of(body: bytes, encoding: str) -> str:
    """Return a body as text, without a byte order mark. Raises ``ValueError``."""
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"the body is not {encoding}, though it should be: see byte {error.start}"
        ) from error
    return text.removeprefix("\ufeff")
