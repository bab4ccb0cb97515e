"""Damaged conversations, as a broken or malicious client may send them."""

from __future__ import annotations

import random

from tests.conversations import CONVERSATIONS
from tests.raw_amqp import READY, body, frame, header, open_channel, publish

FRAMES = [
    *dict.fromkeys(steps[-1] for steps in CONVERSATIONS.values()),
    *[publish("k") + header(3) + body(b"abc")] * 50,
    *[publish("k") + header(3), header(3), body(b"abc"), open_channel(2), frame(8, 0, b"")] * 20,
]


def damaged(rng: random.Random) -> bytes:
    """Return the bytes of a random conversation, mostly with one or two changes."""
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
