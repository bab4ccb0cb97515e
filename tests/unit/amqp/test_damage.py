"""Damaged conversations: bytes changed, frames cut, repeated, reordered and oversized."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations import CONVERSATIONS
from tests.raw_amqp import READY, answers, body, frame, header, open_channel, publish
from tests.unit.amqp.echo import EchoHandler

FRAMES = [
    *dict.fromkeys(steps[-1] for steps in CONVERSATIONS.values()),
    *[publish("k") + header(3) + body(b"abc")] * 50,
    *[publish("k") + header(3), header(3), body(b"abc"), open_channel(2), frame(8, 0, b"")] * 20,
]
MOST_OUTPUT = 4_000_000


def damaged(rng: random.Random) -> bytes:
    """A conversation as a broken or malicious client may send it."""
    steps = [*READY] if rng.random() < 0.9 else []
    steps += rng.choices(FRAMES, k=rng.randint(1, 6))
    for _ in range(rng.randint(0, 2)):
        index = rng.randrange(len(steps))
        step = bytearray(steps[index])
        match rng.randrange(6):
            case 0:
                step[rng.randrange(len(step))] = rng.randrange(256)
            case 1:
                del step[rng.randrange(len(step)) :]
            case 2:
                step[rng.randrange(len(step)) : 0] = rng.randbytes(rng.randint(1, 9))
            case 3:
                other = rng.randrange(len(steps))
                steps[index], steps[other] = steps[other], steps[index]
                continue
            case 4:
                steps.insert(index, steps[index])
                continue
            case 5:
                at = rng.randrange(len(step))
                del step[at : at + rng.randint(1, 4)]
        steps[index] = bytes(step) or b"\0"
    return b"".join(steps)


def feed(data: bytes, rng: random.Random) -> EchoHandler:
    """A handler whose connection got these bytes, in pieces, and all the time it waits for."""
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


def test_no_damage_raises_anything() -> None:
    for seed in range(2000):
        rng = random.Random(seed)
        handler = feed(damaged(rng), rng)
        handler.connection.advance(1e6)
        handler.connection.advance(2e6)
        handler.connection.advance(3e6)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_after_the_handshake_raise(data: bytes) -> None:
    feed(b"".join(READY) + data, random.Random(1))


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.binary(max_size=60)), max_size=5)
)
def test_no_frames_after_the_handshake_raise(frames: list[tuple[int, int, bytes]]) -> None:
    feed(b"".join(READY) + b"".join(frame(*one) for one in frames), random.Random(1))
