"""Conversion of messages between mooq's transports and the in-memory broker."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from mooq.broker.message import FLAGS, HAS_HEADERS, PERSISTENT, PROPERTY_NAMES, Properties
from mooq.broker.message import Message as BrokerMessage
from mooq.broker.values import (
    AmqpDecimal,
    Byte,
    Long,
    Short,
    SignedInt,
    Table,
    Timestamp,
    UnsignedInt,
    UnsignedShort,
)
from mooq.transports.message import NO_PROPERTIES, Message, MessageProperties

TRANSIENT = 1
INTEGERS: tuple[tuple[int, int, type[int]], ...] = (
    (-(2**7), 2**7 - 1, Byte),
    (-(2**15), 2**15 - 1, Short),
    (0, 2**16 - 1, UnsignedShort),
    (-(2**31), 2**31 - 1, SignedInt),
    (0, 2**32 - 1, UnsignedInt),
    (-(2**63), 2**63 - 1, Long),
)
"""AMQP's integer types by range, in the order in which pamqp tries them."""
PLAIN = frozenset({bool, int, str, float, bytes, datetime, Decimal})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
USUAL = Message(b"", "", "")[6:]
"""The default persistence, content encoding and properties."""
BEYOND = sum(FLAGS[name] for name in MessageProperties._fields)
"""The flags of the properties in :class:`~mooq.transports.message.MessageProperties`."""
USUAL_FLAGS = FLAGS["content_type"] | FLAGS["delivery_mode"] | FLAGS["message_id"]


class ClientProperties(Properties):
    """The properties of a message, created only if the broker reads them."""

    __slots__ = ("original",)

    def __init__(self, original: Message) -> None:
        self.original: Message = original
        self.flags: int = USUAL_FLAGS if original.headers is None else USUAL_FLAGS | HAS_HEADERS
        if (
            original[6:] != USUAL  # false for nearly every message
            or original.message_id is None
            or original.content_type is None
        ):
            self._fill()
            self.flags = sum(FLAGS[one] for one in PROPERTY_NAMES if getattr(self, one) is not None)

    def __getattr__(self, name: str) -> Any:
        if name not in PROPERTY_NAMES:
            raise AttributeError(name)
        self._fill()
        return getattr(self, name)

    def _fill(self) -> None:
        for name in PROPERTY_NAMES:
            setattr(self, name, None)
        original = self.original
        self.content_type: str | None = original.content_type
        self.content_encoding: str | None = original.content_encoding
        self.headers: Table | None = (
            None if original.headers is None else wire_table(original.headers)
        )
        self.delivery_mode: int | None = PERSISTENT if original.persistent else TRANSIENT
        self.message_id: str | None = original.message_id
        properties = original.properties
        if properties is not NO_PROPERTIES:
            for name, value in properties._asdict().items():
                setattr(self, name, value)
            if properties.timestamp is not None:
                self.timestamp: int | None = Timestamp(properties.timestamp.timestamp())


def message_of(message: BrokerMessage) -> Message:
    """Return one of the broker's messages as a mooq message."""
    properties = message.properties
    if type(properties) is ClientProperties:
        return properties.original
    headers = properties.headers
    return Message(
        message.body,
        message.exchange,
        message.routing_key,
        properties.message_id,
        properties.content_type,
        None if headers is None else {name: plain(headers[name]) for name in headers},
        properties.delivery_mode == PERSISTENT,
        properties.content_encoding,
        NO_PROPERTIES if not properties.flags & BEYOND else _beyond(properties),
    )


def _beyond(properties: Properties) -> MessageProperties:
    values = {name: getattr(properties, name) for name in MessageProperties._fields}
    if values["timestamp"] is not None:
        values["timestamp"] = plain(Timestamp(values["timestamp"]))
    return MessageProperties(**values)


def plain(value: Any) -> Any:
    """Return a field value in plain form: numbers, bytes, datetimes, decimals.

    The value comes from the broker, or from aiormq, which uses a bytearray for bytes.
    """
    if isinstance(value, Timestamp):
        return EPOCH + timedelta(seconds=int(value))
    if value is None or type(value) in PLAIN:
        return value
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, AmqpDecimal):
        return Decimal(value.value).scaleb(-value.scale)
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else bytes(value)


def wire_table(table: Mapping[str, Any]) -> Table:
    """Return a table of plain values in AMQP's types."""
    return {name: _wire(table[name]) for name in table}


def wire_arguments(arguments: Mapping[str, Any]) -> Table:
    """Return arguments in AMQP's types, with integers as narrow as pamqp sends them.

    RabbitMQ names the type in its refusals.
    """
    return {name: _narrow(value) for name, value in wire_table(arguments).items()}


def _narrow(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _narrow(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_narrow(one) for one in value]
    if type(value) is not int:
        return value
    return next(kind(value) for least, most, kind in INTEGERS if least <= value <= most)


def _wire(value: Any) -> Any:
    """Return a plain value in AMQP's types; the opposite of :func:`plain`."""
    if isinstance(value, datetime):
        return Timestamp(value.timestamp())
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)  # it is finite
        scale = max(-exponent, 0)
        return AmqpDecimal(scale, int(value.scaleb(scale)))
    if isinstance(value, Mapping):
        return wire_table(value)
    return [_wire(one) for one in value] if isinstance(value, list) else value
