"""Messages and deliveries are frozen; message ids identify repeats."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mooq.transports.message import (
    Delivery,
    IncomingMessage,
    Message,
    check_message_id,
    new_message_id,
)


def test_message_is_persistent_json_by_default() -> None:
    message = Message(b"1", "e", "k")
    assert (message.content_type, message.persistent) == ("application/json", True)
    assert (message.message_id, message.headers) == (None, None)


@pytest.mark.parametrize(
    "travelling", [Message(b"", "", ""), Delivery(Message(b"", "", ""), False, 0)]
)
def test_messages_and_deliveries_are_frozen(travelling: object) -> None:
    for name in travelling._fields:  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            setattr(travelling, name, None)


def test_every_key_of_incoming_message_is_required() -> None:
    assert set(IncomingMessage.__annotations__) == IncomingMessage.__required_keys__


def test_message_ids_are_unique() -> None:
    assert len({new_message_id() for _ in range(1000)}) == 1000


def test_message_ids_are_unique_across_processes() -> None:
    make = "from mooq.transports.message import new_message_id; print(new_message_id())"
    others = {
        subprocess.run(
            [sys.executable, "-c", make], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(others) == 2


def test_generated_message_id_is_valid() -> None:
    first, second = new_message_id(), new_message_id()
    assert first != second
    assert check_message_id(first) == first


@pytest.mark.parametrize("message_id", ["1", "é" * 127, "x" * 255, " "])
def test_given_message_id_is_kept(message_id: str) -> None:
    assert check_message_id(message_id) == message_id


@pytest.mark.parametrize(
    ("message_id", "error", "text"),
    [
        ("", ValueError, "message_id must have 1 to 255 bytes"),
        ("x" * 256, ValueError, "message_id must have 1 to 255 bytes"),
        ("é" * 128, ValueError, "message_id must have 1 to 255 bytes"),
        (
            "\ud800",
            ValueError,
            "message_id contains '\\ud800', a lone surrogate, which UTF-8 cannot",
        ),
        (7, TypeError, "message_id must be a str, not int"),
        (b"id", TypeError, "message_id must be a str, not bytes"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_invalid_message_id_is_refused(message_id: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        check_message_id(message_id)
    assert type(raised.value) is error
    assert str(raised.value).startswith(text)
