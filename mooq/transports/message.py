"""Messages, deliveries, and the message that a callback gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from itertools import count
from os import urandom
from typing import Any, NamedTuple, TypeAlias, TypedDict

from mooq.basics.utf8 import utf8

JSON_TYPE = "application/json"
LONGEST_ID = 255
DIRECT_REPLY_TO = "amq.rabbitmq.reply-to"

Scalar: TypeAlias = bool | int | float | str | bytes | datetime | Decimal | None
HeaderValue: TypeAlias = "Scalar | Sequence[HeaderValue] | Mapping[str, HeaderValue]"
Headers: TypeAlias = Mapping[str, HeaderValue]


class MessageProperties(NamedTuple):
    """The AMQP basic properties that have meaning only for applications and brokers.

    ``expiration`` is milliseconds as text, as in AMQP. ``timestamp`` is in whole seconds.
    """

    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = None
    priority: int | None = None
    type: str | None = None
    timestamp: datetime | None = None
    user_id: str | None = None
    app_id: str | None = None


NO_PROPERTIES = MessageProperties()


class Message(NamedTuple):
    """A message as bytes and properties."""

    body: bytes
    exchange: str
    routing_key: str
    message_id: str | None = None
    content_type: str | None = JSON_TYPE
    headers: Mapping[str, Any] | None = None
    persistent: bool = True
    content_encoding: str | None = None
    properties: MessageProperties = NO_PROPERTIES


class Delivery(NamedTuple):
    """A message delivered to a consumer; the transport settles it by its ``receipt``."""

    message: Message
    redelivered: bool
    receipt: Any


class Outcome(Enum):
    """The outcomes of a delivery (AMQP 0-9-1 §1.8.3.13 ack, §1.8.3.14 reject; RabbitMQ's nack)."""

    ACKNOWLEDGE = "done with"
    REQUEUE = "failed, to be tried again: basic.reject, which counts towards a delivery limit"
    REJECT = "failed for good: to the dead-letter exchange if there is one, else dropped"
    RELEASE = "never tried: basic.nack with requeue, which does not count as a failure"
    RETRY = "failed, and a copy waits for the next attempt: acknowledged"
    PARK = "failed for good, and a copy is parked: acknowledged"


ACKNOWLEDGED = frozenset({Outcome.ACKNOWLEDGE, Outcome.RETRY, Outcome.PARK})
"""The outcomes that send basic.ack to the broker."""


class IncomingMessage(TypedDict):
    """The one argument of a callback, and the result of ``channel.get()``: a plain dict.

    - ``msg``: the decoded body: JSON, ``str`` for ``text/*``, ``bytes`` for any other content
      type
    - ``routing_key``: the key it was published with
    - ``exchange_name``: the exchange it was published to
    - ``redelivered``: True if it may have been delivered before
    - ``headers``: as published, and those that RabbitMQ adds, such as ``x-death``
    - ``message_id``: the same in every repeat of a message; None only from other publishers
    - ``body``: the bytes that ``msg`` was decoded from
    - ``content_type``, ``content_encoding``: as published
    - ``persistent``: whether the message survives a restart in a durable queue
    - ``expiration``: how many seconds it may wait in a queue
    - ``timestamp``: a datetime in UTC, in whole seconds
    - ``correlation_id``, ``reply_to``, ``priority``, ``type``, ``user_id``, ``app_id``: as
      published, None if not given
    """

    msg: Any
    routing_key: str
    exchange_name: str
    redelivered: bool
    headers: dict[str, Any]
    message_id: str | None
    body: bytes
    content_type: str | None
    content_encoding: str | None
    persistent: bool
    correlation_id: str | None
    reply_to: str | None
    expiration: float | None
    priority: int | None
    type: str | None
    timestamp: datetime | None
    user_id: str | None
    app_id: str | None


_process = urandom(10).hex()
_numbers = count(1)


def new_message_id() -> str:
    """Return a unique id: 80 random bits per process, and a number."""
    return f"{_process}-{next(_numbers)}"


def check_message_id(message_id: str) -> str:
    """Return the id, or raise ``TypeError``, or ``ValueError`` unless it has 1 … 255 bytes."""
    if not isinstance(message_id, str):
        raise TypeError(f"message_id must be a str, not {type(message_id).__name__}")
    if not 1 <= len(utf8("message_id", message_id)) <= LONGEST_ID:
        raise ValueError(f"message_id must have 1 to {LONGEST_ID} bytes")
    return message_id
