"""Message ↔ bytes: strict JSON, the same for every transport.

What leaves is refused unless JSON can hold it; what arrives is read by its content type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from json.encoder import encode_basestring
from typing import Any, NoReturn

from mooq.json_faults import NotJSON, decoding_error, encoding_error
from mooq.message import JSON_TYPE, Delivery, HeaderValue, IncomingMessage
from mooq.utf8 import utf8

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


def _refuse_constant(name: str) -> NoReturn:
    raise NotJSON(f"{name} is not JSON")


_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_decoder = json.JSONDecoder(parse_constant=_refuse_constant)

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


def _as_json(msg: object) -> str:
    if _pieces is not None:
        try:
            return "".join(_pieces(msg, 0))
        except (RecursionError, TypeError, ValueError):
            pass  # the encoder itself says what is wrong
    return _encoder.encode(msg)


def encode(msg: object) -> bytes:
    """Return a message as JSON in UTF-8, at most 16 MiB of it.

    Raises ``TypeError`` for what JSON has no form for (bytes, a set, an object), ``ValueError``
    for what it has no value for (NaN, a cycle, nesting too deep) and for more than 16 MiB, the
    most that RabbitMQ 4 takes by default.
    """
    try:
        text = _as_json(msg)
    except (RecursionError, TypeError, ValueError) as error:
        raise encoding_error(msg, error) from error
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
    mooq of 2017 sent), ``str`` for ``text/…``, ``bytes`` for anything else.
    """
    message = delivery.message
    # One message may be in several queues, or be delivered again: each time with its own headers.
    headers = deepcopy(dict(message.headers)) if message.headers else {}
    return {
        "msg": _decode_body(message.body, message.content_type),
        "routing_key": message.routing_key,
        "exchange_name": message.exchange,
        "redelivered": delivery.redelivered,
        "headers": headers,
        "message_id": message.message_id,
    }


def _decode_body(body: bytes, content_type: str | None) -> Any:
    if content_type != JSON_TYPE:
        kind = (content_type or JSON_TYPE).partition(";")[0].strip().lower()
        if kind.startswith("text/"):
            try:
                return body.decode()
            except UnicodeDecodeError as error:
                raise ValueError(f"the body is not text: {decoding_error(error)}") from error
        if kind != JSON_TYPE and not kind.endswith("+json"):
            return body
    try:
        text = body.decode()
        # raw_decode() spares the search for white space around the value; decode() knows better
        # when there is some, or no value at all.
        if not text[:1].isspace():
            value, end = _decoder.raw_decode(text)
            if end == len(text):
                return value
        return _decoder.decode(text)
    except (RecursionError, ValueError) as error:
        raise ValueError(
            f"the body is not JSON, though its content type says so: {decoding_error(error)}"
        ) from error


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
        text = _as_json(checked)
        plain: dict[str, Any] = _decoder.decode(text)  # of an enum, say, its value
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
