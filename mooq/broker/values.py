"""AMQP field values: the Python types of the types on the wire.

A value keeps its type, because RabbitMQ shows it in refusals and sends it unchanged. Plain Python
types represent the usual types, the classes below the others:

==== ================== =====================
tag  type on the wire   Python
==== ================== =====================
t    bool               ``bool``
b    byte               :class:`Byte`
B    unsignedbyte       :class:`UnsignedByte`
s    short              :class:`Short`
u    unsignedshort      :class:`UnsignedShort`
I    signedint          ``int`` or :class:`SignedInt`
i    unsignedint        :class:`UnsignedInt`
l    long               :class:`Long`, or an ``int`` that needs more than 32 bits
f    float              :class:`Float`
d    double             ``float``
D    decimal            :class:`AmqpDecimal`
S    longstr            ``str``, or :class:`LongBytes` if it is not UTF-8
x    binary             ``bytes``
A    array              ``list``
T    timestamp          :class:`Timestamp`, or a ``datetime``
F    table              ``dict``
V    void               ``None``
==== ================== =====================
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, TypeAlias


class Byte(int):
    """A signed integer of 8 bits."""

    __slots__ = ()


class UnsignedByte(int):
    """An unsigned integer of 8 bits."""

    __slots__ = ()


class Short(int):
    """A signed integer of 16 bits."""

    __slots__ = ()


class UnsignedShort(int):
    """An unsigned integer of 16 bits."""

    __slots__ = ()


class SignedInt(int):
    """A signed integer of 32 bits. A plain ``int`` that fits means the same."""

    __slots__ = ()


class UnsignedInt(int):
    """An unsigned integer of 32 bits."""

    __slots__ = ()


class Long(int):
    """A signed integer of 64 bits."""

    __slots__ = ()


class Float(float):
    """A floating-point number of 32 bits."""

    __slots__ = ()


class LongBytes(bytes):
    """A long string that is not valid UTF-8."""

    __slots__ = ()


class Timestamp(int):
    """Seconds since 1970, as 64 bits."""

    __slots__ = ()


class AmqpDecimal(NamedTuple):
    """A decimal number: ``value`` divided by 10 to the power of ``scale``."""

    scale: int
    value: int


FieldValue: TypeAlias = Any
Table: TypeAlias = dict[str, FieldValue]

INTEGER_TYPES = frozenset(
    ("byte", "short", "signedint", "long", "unsignedbyte", "unsignedshort", "unsignedint")
)

_NAMES: dict[type, str] = {
    str: "longstr",
    LongBytes: "longstr",
    bool: "bool",
    SignedInt: "signedint",
    Long: "long",
    Byte: "byte",
    UnsignedByte: "unsignedbyte",
    Short: "short",
    UnsignedShort: "unsignedshort",
    UnsignedInt: "unsignedint",
    float: "double",
    Float: "float",
    AmqpDecimal: "decimal",
    Timestamp: "timestamp",
    datetime: "timestamp",
    dict: "table",
    list: "array",
    tuple: "array",
    bytes: "binary",
    bytearray: "binary",
    type(None): "void",
}


def type_name(value: FieldValue) -> str:
    """Return RabbitMQ's name for the type of a value, as in its refusals.

    Raises ``TypeError`` for a value without an AMQP type.
    """
    if type(value) is int:
        return "signedint" if -(2**31) <= value < 2**31 else "long"
    try:
        return _NAMES[type(value)]
    except KeyError:
        raise TypeError(f"AMQP has no type for {value!r}") from None


def bytes_of(value: str | bytes) -> bytes:
    """Return the bytes of a text, which may contain surrogate escapes, or the bytes themselves."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def same_value(one: FieldValue, other: FieldValue) -> bool:
    """Return whether two values have the same AMQP type and content."""
    return type_name(one) == type_name(other) and bool(one == other)
