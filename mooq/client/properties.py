"""Message properties, checked the same for every transport."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import Any

from mooq.basics.utf8 import utf8
from mooq.transports.message import (
    DIRECT_REPLY_TO,
    JSON_TYPE,
    LONGEST_ID,
    NO_PROPERTIES,
    Message,
    MessageProperties,
)

LONGEST_TIME = 315_360_000  # seconds: RabbitMQ takes ten years, and no more
HIGHEST_PRIORITY = 255
LONGEST_TEXT = LONGEST_ID
NOTHING = (None,) * len(MessageProperties._fields)
USUAL = (None, None, True, *NOTHING)
"""The values that nearly every message has."""
ABSENT: dict[str, Any] = dict.fromkeys(MessageProperties._fields)


def check_properties(
    correlation_id: str | None,
    reply_to: str | None,
    expiration: float | None,
    priority: int | None,
    type: str | None,
    timestamp: datetime | None,
    user_id: str | None,
    app_id: str | None,
) -> MessageProperties:
    """Return the properties in the form that a transport takes.

    Texts have at most 255 bytes. ``expiration`` is in seconds, in steps of a millisecond.
    ``priority`` is 0 … 255. ``timestamp`` is a datetime with a time zone; fractions of a second are
    dropped (AMQP 0-9-1 §4.2.5.4). Raises ``TypeError`` and ``ValueError`` that name the property.
    """
    if reply_to == DIRECT_REPLY_TO:
        raise ValueError(
            f"reply_to must not be {DIRECT_REPLY_TO!r}, which needs a consumer on the AMQP channel "
            "that mooq uses only for publishing; use a queue of your own"
        )
    return MessageProperties(
        optional_text("correlation_id", correlation_id),
        optional_text("reply_to", reply_to),
        None if expiration is None else str(milliseconds("expiration", expiration)),
        None if priority is None else _priority(priority),
        optional_text("type", type),
        None if timestamp is None else _timestamp(timestamp),
        optional_text("user_id", user_id),
        optional_text("app_id", app_id),
    )


def with_properties(
    message: Message,
    content_type: str | None,
    content_encoding: str | None,
    persistent: bool,
    *properties: Any,
) -> Message:
    """Return a message with properties other than the usual ones."""
    return message._replace(
        content_type=JSON_TYPE if content_type is None else content_type,
        content_encoding=content_encoding,
        persistent=check_bool("persistent", persistent),
        properties=NO_PROPERTIES if properties == NOTHING else check_properties(*properties),
    )


def received(properties: MessageProperties) -> dict[str, Any]:
    """Return the properties in the form that a callback gets."""
    values = properties._asdict()
    if properties.expiration is not None:
        values["expiration"] = int(properties.expiration) / 1000
    return values


def check_bool(name: str, value: bool) -> bool:
    """Return the value, or raise ``TypeError`` unless it is a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {_type(value)}")
    return value


def check_int(name: str, value: int) -> int:
    """Return the value, or raise ``TypeError`` unless it is an int and not a bool."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {_type(value)}")
    return value


def check_text(name: str, value: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` unless it is a str of at most 255 bytes."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {_type(value)}")
    size = len(utf8(name, value))
    if size > LONGEST_TEXT:
        raise ValueError(
            f"{name} {value[:30]!r}… has {size} bytes; at most {LONGEST_TEXT} are allowed"
        )


def optional_text(name: str, value: str | None) -> str | None:
    """Return None or the value, checked as by :func:`check_text`."""
    if value is not None:
        check_text(name, value)
    return value


def milliseconds(name: str, seconds: float) -> int:
    """Return seconds as whole milliseconds, at least one unless they are 0.

    Raises ``TypeError`` and ``ValueError``.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{name} must be a number of seconds, not {_type(seconds)}")
    if not isfinite(seconds) or not 0 <= seconds <= LONGEST_TIME:
        raise ValueError(f"{name} must be between 0 and {LONGEST_TIME} seconds, not {seconds}")
    return max(round(seconds * 1000), int(seconds > 0))


def _priority(priority: int) -> int:
    if not 0 <= check_int("priority", priority) <= HIGHEST_PRIORITY:
        raise ValueError(f"priority must be between 0 and {HIGHEST_PRIORITY}, not {priority}")
    return priority


def _timestamp(timestamp: datetime) -> datetime:
    if not isinstance(timestamp, datetime):
        raise TypeError(f"timestamp must be a datetime, not {_type(timestamp)}")
    return whole_seconds("timestamp is", timestamp)


def whole_seconds(what_is: str, time: datetime) -> datetime:
    """Return a time in UTC with AMQP's resolution; ``what_is`` begins the ``ValueError``."""
    if time.utcoffset() is None:
        raise ValueError(
            f"{what_is} {time}, which has no time zone: use datetime.now(UTC), or give it a tzinfo"
        )
    if time.timestamp() < 0:
        raise ValueError(f"{what_is} {time}, which is before 1970: AMQP cannot represent it")
    return time.astimezone(UTC).replace(microsecond=0)


def _type(value: object) -> str:
    return type(value).__name__
