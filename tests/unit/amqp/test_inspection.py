"""Observation of AMQP traffic: splitting bytes into frames and assembling messages."""

from __future__ import annotations

import pytest

from mooq.amqp.inspection import LARGEST, FrameSplitter, PartialContent
from mooq.amqp.methods import BASIC_PUBLISH
from mooq.amqp.properties import PropertiesError
from tests.raw_amqp import PROTOCOL_HEADER, body, frame, header, open_channel, publish

HEARTBEAT = frame(8, 0, b"")
FRAMES = [PROTOCOL_HEADER, open_channel(), publish(), header(3), body(b"abc"), HEARTBEAT]


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 30, 1000])
def test_frames_are_split_from_arbitrary_chunks(size: int) -> None:
    splitter = FrameSplitter()
    data = b"".join(FRAMES)
    pieces = [
        piece for at in range(0, len(data), size) for piece in splitter.feed(data[at : at + size])
    ]
    assert pieces == FRAMES
    assert splitter.rest() == b""
    assert not splitter.is_opaque


def test_frame_is_returned_with_its_last_byte() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(HEARTBEAT + publish()[:-1]) == [HEARTBEAT]
    assert splitter.feed(publish()[-1:]) == [publish()]
    assert splitter.feed(HEARTBEAT) == [HEARTBEAT]


def test_rest_of_a_cut_frame_is_returned_once() -> None:
    splitter = FrameSplitter()
    splitter.feed(HEARTBEAT + b"\1\0")
    assert (splitter.rest(), splitter.rest()) == (b"\1\0", b"")
    assert splitter.feed(HEARTBEAT) == [HEARTBEAT]


@pytest.mark.parametrize(
    "damaged",
    [
        frame(4, 0, b""),
        frame(1, 0, b"four", end=b"\0"),
        b"\1\0\0" + (LARGEST + 1).to_bytes(4, "big") + b"x",
    ],
    ids=["unknown type", "wrong end", "too large"],
)
def test_bytes_after_an_invalid_frame_pass_unsplit(damaged: bytes) -> None:
    splitter = FrameSplitter()
    assert splitter.feed(HEARTBEAT + damaged + HEARTBEAT) == [HEARTBEAT, damaged + HEARTBEAT]
    assert splitter.is_opaque
    assert splitter.feed(b"") == []
    assert splitter.feed(b"x") == [b"x"]
    assert splitter.rest() == b""


def test_largest_frame_is_awaited() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(b"\1\0\0" + LARGEST.to_bytes(4, "big") + b"x") == []
    assert not splitter.is_opaque


def payload(data: bytes) -> bytes:
    return data[7:-1]


def test_message_is_assembled_from_its_frames() -> None:
    content = PartialContent(BASIC_PUBLISH, ("", "k"))
    assert (content.method, content.values) == (BASIC_PUBLISH, ("", "k"))
    assert [
        content.take(2, payload(header(6, b"\x08\0\5"))),
        content.take(3, b"abc"),
        content.take(3, b"def"),
    ] == [False, False, True]
    message = content.message("e", "k")
    assert (message.exchange, message.routing_key, message.body) == ("e", "k", b"abcdef")
    assert message.properties.priority == 5


def test_empty_message_is_complete_after_its_header() -> None:
    content = PartialContent(BASIC_PUBLISH, ())
    assert content.take(2, payload(header(0)))
    assert content.message("", "k").body == b""


def test_damaged_properties_raise_on_access() -> None:
    content = PartialContent(BASIC_PUBLISH, ())
    content.take(2, payload(header(0, b"\xff\xff")))
    with pytest.raises(PropertiesError):
        content.message("", "k")


def test_fingerprint_covers_properties_and_body() -> None:
    def fingerprint(properties: bytes, *parts: bytes) -> int:
        content = PartialContent(BASIC_PUBLISH, ())
        content.take(2, payload(header(2, properties)))
        for part in parts:
            content.take(3, part)
        return content.fingerprint

    whole = fingerprint(b"\0\0", b"ab")
    assert whole == fingerprint(b"\0\0", b"a", b"b")
    assert whole != fingerprint(b"\0\0", b"ac")
    assert whole != fingerprint(b"\x08\0\5", b"ab")
