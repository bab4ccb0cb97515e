"""Validation of message properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mooq.client.properties import NOTHING, check_properties, received
from mooq.transports.message import NO_PROPERTIES, MessageProperties

FIELDS = MessageProperties._fields


def checked(**given: Any) -> MessageProperties:
    return check_properties(**(dict(zip(FIELDS, NOTHING, strict=True)) | given))


def test_no_arguments_set_no_properties() -> None:
    assert checked() == NO_PROPERTIES


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(0, "0"), (0.0001, "1"), (1.5, "1500"), (315_360_000, "315360000000")],
)
def test_expiration_is_sent_in_milliseconds(seconds: float, milliseconds: str) -> None:
    properties = checked(expiration=seconds)
    assert properties.expiration == milliseconds
    assert received(properties)["expiration"] == int(milliseconds) / 1000


def test_timestamp_is_kept_in_utc_seconds() -> None:
    east = timezone(timedelta(hours=2))
    properties = checked(timestamp=datetime(2026, 11, 25, 12, 30, 1, 999, tzinfo=east))
    assert properties.timestamp == datetime(2026, 11, 25, 10, 30, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"correlation_id": 1}, TypeError, "correlation_id must be a str, not int"),
        ({"reply_to": "é" * 128}, ValueError, "has 256 bytes; at most 255 are allowed"),
        ({"reply_to": "amq.rabbitmq.reply-to"}, ValueError, "use a queue of your own"),
        ({"type": b"t"}, TypeError, "type must be a str, not bytes"),
        ({"app_id": "\ud800"}, ValueError, "app_id"),
        ({"expiration": "60"}, TypeError, "expiration must be a number of seconds, not str"),
        ({"expiration": True}, TypeError, "expiration must be a number of seconds, not bool"),
        ({"expiration": -1}, ValueError, "expiration must be between 0 and"),
        ({"expiration": float("nan")}, ValueError, "expiration must be between 0 and"),
        ({"expiration": 315_360_000.001}, ValueError, "between 0 and 315360000 seconds, not 3153"),
        ({"priority": 1.0}, TypeError, "priority must be an int, not float"),
        ({"priority": 256}, ValueError, "priority must be between 0 and 255, not 256"),
        ({"timestamp": 1}, TypeError, "timestamp must be a datetime, not int"),
        ({"timestamp": datetime(2026, 1, 1)}, ValueError, "has no time zone"),
        ({"timestamp": datetime(1969, 1, 1, tzinfo=UTC)}, ValueError, "is before 1970"),
    ],
)
def test_invalid_property_is_refused_by_name(
    given: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        checked(**given)
