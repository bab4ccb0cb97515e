"""Sizes of messages in bytes, for the length limits of queues."""

from __future__ import annotations

from mooq.broker.message import PROPERTY_NAMES, Message, Properties
from mooq.broker.values import FieldValue, Table, bytes_of, type_name

_FLAGS = 2
_PROPERTIES = {"delivery_mode": 1, "priority": 1, "timestamp": 8}
_LENGTH = 4
_VALUES = {
    "void": 0,
    "bool": 1,
    "byte": 1,
    "unsignedbyte": 1,
    "short": 2,
    "unsignedshort": 2,
    "signedint": 4,
    "unsignedint": 4,
    "float": 4,
    "decimal": 5,
    "long": 8,
    "double": 8,
    "timestamp": 8,
}


def body_size(message: Message) -> int:
    """Return the size of a message's body."""
    return len(message.body)


def whole_size(message: Message) -> int:
    """Return the size of a message's body and of its encoded properties."""
    return len(message.body) + _properties_size(message.properties)


def _properties_size(properties: Properties) -> int:
    size = _FLAGS
    for name in PROPERTY_NAMES:
        value = getattr(properties, name)
        if value is None:
            continue
        if name == "headers":
            size += _table_size(value)
        elif name in _PROPERTIES:
            size += _PROPERTIES[name]
        else:
            size += 1 + len(bytes_of(value))
    return size


def _table_size(table: Table) -> int:
    return _LENGTH + sum(
        1 + len(bytes_of(name)) + 1 + _value_size(value) for name, value in table.items()
    )


def _value_size(value: FieldValue) -> int:
    if isinstance(value, str | bytes):
        return _LENGTH + len(bytes_of(value))
    if isinstance(value, dict):
        return _table_size(value)
    if isinstance(value, list):
        return _LENGTH + sum(1 + _value_size(one) for one in value)
    return _VALUES[type_name(value)]
