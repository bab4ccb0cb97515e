"""Field tables: AMQP's typed key-value pairs, encoded and decoded.

The types are RabbitMQ's (S I D T F A x V t b B s u i l L f d), some of which differ from those in
the specification. Values keep their type: see :mod:`mooq.broker.values`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from struct import Struct, error
from typing import Any

from mooq.broker.values import (
    AmqpDecimal,
    Byte,
    FieldValue,
    Float,
    Long,
    LongBytes,
    Short,
    SignedInt,
    Table,
    Timestamp,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
)

DEEPEST = 100
"""The maximum nesting of tables and arrays; RabbitMQ has no limit except the frame's size."""

_LENGTH = Struct(">I")
_NUMBERS: dict[int, tuple[Struct, Callable[[int], int]]] = {
    ord("b"): (Struct(">b"), Byte),
    ord("B"): (Struct(">B"), UnsignedByte),
    ord("s"): (Struct(">h"), Short),
    ord("u"): (Struct(">H"), UnsignedShort),
    ord("I"): (Struct(">i"), int),
    ord("i"): (Struct(">I"), UnsignedInt),
    ord("l"): (Struct(">q"), Long),
    ord("L"): (Struct(">q"), Long),
    ord("T"): (Struct(">Q"), Timestamp),
}
_FLOAT, _DOUBLE, _DECIMAL = Struct(">f"), Struct(">d"), Struct(">BI")


class TableError(ValueError):
    """An invalid field table."""


def decode_table(data: bytes) -> Table:
    """Decode a table without its length prefix.

    Of a repeated key, the first value counts, as in RabbitMQ. Raises :class:`TableError`.
    """
    try:
        return _read_table(data, 0, len(data), 0)
    except (IndexError, error) as damage:
        raise TableError(f"a field table is cut short: {damage}") from None


def _read_table(data: bytes, at: int, end: int, depth: int) -> Table:
    if depth > DEEPEST:
        raise TableError(f"tables are nested more than {DEEPEST} deep")
    table: Table = {}
    while at < end:
        key_end = at + 1 + data[at]
        if key_end >= end:
            raise TableError("a key is cut short")
        key = data[at + 1 : key_end].decode("utf-8", "surrogateescape")
        value, at = _read_value(data, key_end, end, depth)
        table.setdefault(key, value)
    return table


def _read_value(data: bytes, at: int, end: int, depth: int) -> tuple[FieldValue, int]:
    """Return the value whose type is at this offset, and the offset after it."""
    kind = data[at]
    at += 1
    value: FieldValue
    if kind in b"SFAx":
        begin = at + 4
        at = begin + _LENGTH.unpack_from(data, at)[0]
        value = None if at > end else _read_sized(kind, data, begin, at, depth)
    elif kind in _NUMBERS:
        number, type_ = _NUMBERS[kind]
        value = type_(number.unpack_from(data, at)[0])
        at += number.size
    elif kind == ord("t"):
        value = data[at] != 0
        at += 1
    elif kind == ord("V"):
        value = None
    elif kind == ord("D"):
        value = AmqpDecimal(*_DECIMAL.unpack_from(data, at))
        at += 5
    elif kind in b"df":
        double = kind == ord("d")
        value = (_DOUBLE if double else _FLOAT).unpack_from(data, at)[0]
        if not isfinite(value):  # not supported by Erlang
            raise TableError(f"RabbitMQ cannot read the number {value}")
        if not double:
            value = Float(value)
        at += 8 if double else 4
    else:
        raise TableError(f"unknown field type {chr(kind)!r}")
    if at > end:
        raise TableError("a value is cut short")
    return value, at


def _read_sized(kind: int, data: bytes, begin: int, end: int, depth: int) -> FieldValue:
    if kind == ord("S"):
        text = data[begin:end]
        try:
            return text.decode()
        except UnicodeDecodeError:
            return LongBytes(text)
    if kind == ord("x"):
        return data[begin:end]
    if kind == ord("F"):
        return _read_table(data, begin, end, depth + 1)
    if depth > DEEPEST:
        raise TableError(f"arrays are nested more than {DEEPEST} deep")
    array: list[FieldValue] = []
    while begin < end:
        value, begin = _read_value(data, begin, end, depth + 1)
        array.append(value)
    return array


def encode_table(table: Mapping[str, FieldValue]) -> bytes:
    """Return a table as bytes, with its length prefix and its keys in order.

    Raises ``ValueError`` for a key over 255 bytes or a number out of range, and ``TypeError`` for a
    value without an AMQP type.
    """
    fields = b"".join(
        encode_short_string(key) + encode_value(value) for key, value in table.items()
    )
    return _LENGTH.pack(len(fields)) + fields


def encode_short_string(text: str) -> bytes:
    """Return a text with its length prefix. Raises ``ValueError`` for more than 255 bytes."""
    data = text.encode("utf-8", "surrogateescape")
    if len(data) > 255:
        raise ValueError(f"a short string holds 255 bytes, not the {len(data)} of {text[:20]!r}…")
    return bytes((len(data),)) + data


def _sized(letter: bytes) -> Callable[[bytes], bytes]:
    return lambda data: letter + _LENGTH.pack(len(data)) + data


def _packed(letter: bytes, form: Struct) -> Callable[[Any], bytes]:
    return lambda value: letter + form.pack(value)


def _encode_int(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"I" + value.to_bytes(4, "big", signed=True)
    return b"l" + value.to_bytes(8, "big", signed=True)


def _encode_array(values: Sequence[FieldValue]) -> bytes:
    return _sized(b"A")(b"".join(map(encode_value, values)))


def _encode_datetime(value: datetime) -> bytes:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return b"T" + int(aware.timestamp()).to_bytes(8, "big")


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    str: lambda value: _sized(b"S")(value.encode("utf-8", "surrogateescape")),
    bool: lambda value: b"t\x01" if value else b"t\x00",
    int: _encode_int,
    SignedInt: _packed(b"I", Struct(">i")),
    Long: _packed(b"l", Struct(">q")),
    Byte: _packed(b"b", Struct(">b")),
    UnsignedByte: _packed(b"B", Struct(">B")),
    Short: _packed(b"s", Struct(">h")),
    UnsignedShort: _packed(b"u", Struct(">H")),
    UnsignedInt: _packed(b"i", Struct(">I")),
    Timestamp: _packed(b"T", Struct(">Q")),
    datetime: _encode_datetime,
    float: _packed(b"d", _DOUBLE),
    Float: _packed(b"f", _FLOAT),
    AmqpDecimal: lambda value: b"D" + _DECIMAL.pack(*value),
    dict: lambda value: b"F" + encode_table(value),
    list: _encode_array,
    tuple: _encode_array,
    bytes: _sized(b"x"),
    bytearray: _sized(b"x"),
    LongBytes: _sized(b"S"),
    type(None): lambda _: b"V",
}


def encode_value(value: FieldValue) -> bytes:
    """Return a field value as bytes, after its type. Raises ``ValueError`` or ``TypeError``."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"AMQP has no type for {value!r}")
    try:
        return encoder(value)
    except (error, OverflowError) as failure:
        raise ValueError(f"AMQP cannot encode {value!r}: {failure}") from None
