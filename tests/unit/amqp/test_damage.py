"""Damaged conversations: changed bytes; cut, repeated, reordered and oversized frames."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations.damage import damaged
from tests.raw_amqp import READY, answers, frame
from tests.unit.amqp.echo import EchoHandler

MOST_OUTPUT = 4_000_000


def feed(data: bytes, rng: random.Random) -> EchoHandler:
    """Feed the bytes to a connection in random pieces and return its handler."""
    handler = EchoHandler(rng.choice(["3.10", "4.0", "4.3"]), largest_message=100_000)
    connection = handler.connection
    at = 0
    while at < len(data):
        size = rng.randint(1, 400)
        connection.receive(data[at : at + size], 0.0)
        at += size
        assert connection.output.size < MOST_OUTPUT
        sent = connection.data_to_send()
        assert all(list(answers(sent)))
        connection.is_held = False
    connection.receive(b"", 0.0)
    return handler


def test_damaged_conversations_never_raise() -> None:
    for seed in range(2000):
        rng = random.Random(seed)
        handler = feed(damaged(rng), rng)
        handler.connection.advance(1e6)
        handler.connection.advance(2e6)
        handler.connection.advance(3e6)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_after_handshake_never_raise(data: bytes) -> None:
    feed(b"".join(READY) + data, random.Random(1))


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.binary(max_size=60)), max_size=5)
)
def test_arbitrary_frames_after_handshake_never_raise(frames: list[tuple[int, int, bytes]]) -> None:
    feed(b"".join(READY) + b"".join(frame(*one) for one in frames), random.Random(1))
