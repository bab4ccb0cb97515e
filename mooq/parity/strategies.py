"""Hypothesis strategies for programs: few names, so that calls interact, and occasional misuse.

Hypothesis is an optional dependency. Apart from the strategies, only :mod:`mooq.parity.search`
imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from hypothesis import strategies as st

from mooq.parity import programs as op
from mooq.parity.calls import UNWRITABLE
from mooq.parity.comparable import comparable

Pool: TypeAlias = st.SearchStrategy[Any]


def pool(usual: Sequence[Any], rare: Sequence[Any] = (), often: int = 12) -> Pool:
    """Return a strategy: ``often`` times out of 16 a usual value, otherwise a rare one.

    List the simplest values first. It makes a single draw from a list, because Hypothesis's
    overhead per draw costs more than running the program.
    """
    if not rare:
        return st.sampled_from(usual)
    times = max(1, round(len(rare) * often / (16 - often) / len(usual)))
    return st.sampled_from([*usual] * times + [*rare])


PATTERNS = ["#", "a", "a.#", "*.b", "a.*", "*", "#.b", "", "a.b", "#.#", "*.#", "a.*.#"]
KEYS = ["a", "a.b", "b", "", "a.a.b", ".", "a.", "*", "#"]
TYPES = [("t", "topic"), ("f", "fanout"), ("d", "direct"), ("t", "topic"), ("x", "fanout")]
BAD_TYPES = [("t", "direct"), ("f", "nope"), ("amq.e", "topic"), ("", "direct"), ("b'd", "fanout")]

channels: Pool = pool(["a1", "b1", "a1", "b1", "a2", "c1"])
exchanges: Pool = pool(["t", "f", "d", "t", "x", ""], ["nobody", "amq.nobody", "b'd", "é"], 15)
types: Pool = pool(TYPES, BAD_TYPES, 15)
keys: Pool = pool(KEYS)
queues: Pool = pool(["q1", "q2", "q1", "q3", "@c1"], ["@c2", "@c9", "nobody", "b'd"], 14)
patterns: Pool = pool(
    [*((one,) for one in PATTERNS), *pairwise(PATTERNS)],
    [(), ("#.#.#",), ("k" * 256,), ("a", "a")],
    15,
)
queues_and_dead_letters: Pool = pool(
    [("q1", None), ("q2", "x"), ("q1", None), ("q3", ""), (None, None)],
    [(None, "x"), ("q2", None), ("q1", "t"), ("q3", "nobody"), ("amq.q", None), ("b'd", None)],
    14,
)
arguments: Pool = pool(
    [None],
    [
        *({"x-message-ttl": -1}, {"x-expires": 60_000}, {"x-max-length": 1000}),
        *({"x-dead-letter-routing-key": "a.b"}, {"mine": [1, {}]}, {"x-queue-type": "nothing"}),
    ],
    13,
)
prefetches: Pool = pool([100, 1, 2, 1, 3], [0], 15)
behaviours: Pool = pool(
    [
        *[op.Succeed()] * 3,
        *(op.Fail(), op.FailOnce(), op.Fail()),
        *(op.Wait("e"), op.Wait("g"), op.Wait("g", fails=True)),
        *(op.Send("f"), op.Send("t", "a.b"), op.Send("", "q1"), op.Send("", "q2")),
        op.Send("nobody"),
        *(op.Settle("acknowledge"), op.Settle("reject"), op.Settle("requeue")),
    ]
)
PROPERTIES: list[dict[str, Any]] = [
    {"correlation_id": "c", "reply_to": "q1", "type": "t", "app_id": "a", "priority": 3},
    {"priority": 256},
    {"expiration": 60.0},
    {"persistent": False},
    {"user_id": "guest"},
    {"user_id": "nobody"},
    {"content_type": "text/plain; charset=latin-1"},
    {"content_type": "application/octet-stream"},
    {"content_encoding": "gzip"},
]
EXTRAS: list[dict[str, Any]] = [
    *[{"mandatory": True}] * 4,
    *({"msg": msg} for msg in ([1, {"a": None}], "é", 0.5, *UNWRITABLE)),
    *({"message_id": one} for one in ("one", "two", "")),
    {"headers": {"h": [1, {"n": None}]}},
    {"headers": {"h": 0.1, "b": b"\xff"}},
    {"headers": {"h": {1}}},
    {"headers": {"CC": []}},
    *({"properties": properties} for properties in PROPERTIES),
]
extras: Pool = pool([{}], EXTRAS, 13)
gets: Pool = st.builds(op.Get, channels, queues, pool([None], [0.02], 15))
processes: Pool = pool(
    [op.Process(connection, cycles) for cycles in (1, 2, 3, 1) for connection in "abcab"]
)
seldom: Pool = pool(
    [op.CloseChannel(channel) for channel in ("a1", "b1", "a2", "c1")]
    + [op.CloseConnection(connection) for connection in "abc"]
    + [op.Drop(connection) for connection in "abcabc"]
)
releases: Pool = pool([op.Release("e"), op.Release("g")])
kinds: Pool = pool(
    ["publish"] * 5
    + ["process"] * 4
    + ["consume", "consume", "get", "declare", "release", "together", "seldom"],
    ["delete", "cancel"],
    14,
)


def consume(draw: st.DrawFn) -> op.Consume:
    """Draw the registration of a consumer, which is named later."""
    exchange, kind = draw(types)
    queue, dead_letters = draw(queues_and_dead_letters)
    return op.Consume(
        draw(channels),
        "",
        exchange,
        kind,
        keys=draw(patterns),
        queue=queue,
        prefetch=draw(prefetches),
        dead_letters=dead_letters,
        does=draw(behaviours),
        arguments=draw(arguments),
    )


def publish(draw: st.DrawFn) -> op.Publish:
    """Draw a publish."""
    channel, exchange = draw(channels), draw(exchanges)
    return op.Publish(channel, exchange, draw(keys if exchange else queues), **draw(extras))


def declare(draw: st.DrawFn) -> op.Declare:
    """Draw the registration of a producer."""
    return op.Declare(draw(channels), *draw(types))


def one_of_several(draw: st.DrawFn) -> op.Publish | op.Get | op.Declare:
    """Draw a call to make concurrently with others."""
    kind = draw(pool_of_several)
    if kind == "get":
        return op.Get(draw(channels), draw(queues))
    return declare(draw) if kind == "declare" else publish(draw)


pool_of_several: Pool = pool(["publish", "publish", "publish", "get", "declare"])
numbers_of_several: Pool = pool([2, 3])


def step(draw: st.DrawFn) -> op.Operation:
    """Draw any operation."""
    operation: op.Operation
    match draw(kinds):
        case "publish":
            operation = publish(draw)
        case "process":
            operation = draw(processes)
        case "consume":
            operation = consume(draw)
        case "get":
            operation = draw(gets)
        case "declare":
            operation = declare(draw)
        case "release":
            operation = draw(releases)
        case "together":
            operation = op.Together(
                tuple(one_of_several(draw) for _ in range(draw(numbers_of_several)))
            )
        case "delete":
            operation = op.DeleteQueue(draw(channels), draw(queues))
        case "cancel":
            operation = op.Cancel(publish(draw))
        case _:
            operation = draw(seldom)
    return operation


@st.composite
def programs(draw: st.DrawFn, longest: int = 100) -> op.Program:
    """Draw a program, which usually starts with consumers."""
    begin = [consume(draw) for _ in range(draw(st.integers(0, 4)))]
    # st.lists() would be short, or with a minimum size could not shrink below it.
    rest = [step(draw) for _ in range(draw(st.integers(0, longest)))]
    return comparable((*begin, *rest))
