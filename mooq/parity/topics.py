"""Exhaustive check of topic routing: every pattern against every key of up to four words.

``python -m mooq.parity.topics --against amqp://…`` checks RabbitMQ, without ``--against`` the
in-memory broker.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

from mooq.basics.address import Address
from mooq.client.consumer import Callback
from mooq.parity.targets import InMemory, RabbitMQ, Target
from mooq.transports.declarations import MOST_HASHES
from mooq.transports.message import IncomingMessage

WORDS = ("a", "b", "", "*", "#")
LONGEST = 4
AT_ONCE = 100  # publishes in flight


class Misrouted(NamedTuple):
    """A pattern that got a wrong number of copies of a message with a key."""

    pattern: str
    key: str
    copies: int
    right: int


class Proof(NamedTuple):
    """The number of checked pairs, the number that match, and the misrouted ones."""

    version: str
    pairs: int
    matching: int
    misrouted: list[Misrouted]


def keys(longest: int = LONGEST) -> list[str]:
    """Return every key of up to ``longest`` words; the empty word alone is the empty key."""
    return [
        ".".join(words) for count in range(1, longest + 1) for words in product(WORDS, repeat=count)
    ]


def patterns(longest: int = LONGEST) -> list[str]:
    """Return every pattern that mooq allows: at most two ``#``, the limit of RabbitMQ 4.3."""
    return [key for key in keys(longest) if key.split(".").count("#") <= MOST_HASHES]


def matches(pattern: str, key: str) -> bool:
    """Return whether a topic pattern matches a key (AMQP 0-9-1 §3.1.3.3)."""
    return _match(
        tuple(pattern.split(".")) if pattern else (), tuple(key.split(".")) if key else ()
    )


@cache
def _match(pattern: tuple[str, ...], key: tuple[str, ...]) -> bool:
    if not pattern:
        return not key
    if pattern[0] == "#":
        return _match(pattern[1:], key) or (bool(key) and _match(pattern, key[1:]))
    return bool(key) and pattern[0] in ("*", key[0]) and _match(pattern[1:], key[1:])


async def prove(target: Target, longest: int = LONGEST) -> Proof:
    """Bind a queue with every pattern, publish with every key, and check the deliveries.

    ``longest`` is the maximum number of words in patterns and keys.
    """
    await target.begin()
    exchange = f"{target.prefix}topics"
    connection = await target.connect()
    arrived: Counter[tuple[str, str]] = Counter()

    def callback(pattern: str) -> Callback:
        async def count(message: IncomingMessage) -> None:
            arrived[pattern, message["routing_key"]] += 1

        return count

    try:
        channel = await connection.create_channel()
        for pattern in patterns(longest):
            await channel.register_consumer(
                None,
                pattern,
                exchange_name=exchange,
                exchange_type="topic",
                callback=callback(pattern),
                prefetch_count=65535,
            )
        for some in _in_parts(keys(longest)):
            await asyncio.gather(
                *(
                    channel.publish(exchange_name=exchange, msg=None, routing_key=key)
                    for key in some
                )
            )
            await connection.process_events(num_cycles=1)
    finally:
        await connection.close()
        await target.end([], [exchange])
    return _judged(target.version, arrived, longest)


def _in_parts(items: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(items), AT_ONCE):
        yield items[begin : begin + AT_ONCE]


def _judged(version: str, arrived: Counter[tuple[str, str]], longest: int) -> Proof:
    pairs = list(product(patterns(longest), keys(longest)))
    right = {pair: int(matches(*pair)) for pair in pairs}
    misrouted = [
        Misrouted(*pair, arrived[pair], right[pair])
        for pair in pairs
        if arrived[pair] != right[pair]
    ]
    return Proof(version, len(pairs), sum(right.values()), misrouted)


def main(arguments: list[str] | None = None) -> int:
    """Print the result; return 1 if a pair was misrouted."""
    parser = argparse.ArgumentParser(prog="python -m mooq.parity.topics")
    parser.add_argument("--against", help="amqp://user:password@host:port/virtual_host")
    against = parser.parse_args(arguments).against
    target = RabbitMQ(Address.from_url(against)) if against else InMemory()

    async def prove_it() -> Proof:
        try:
            return await prove(target)
        finally:
            if isinstance(target, RabbitMQ):
                await target.close()

    proof = asyncio.run(prove_it())
    name = f"RabbitMQ {proof.version}" if against else "in memory"
    for wrong in proof.misrouted[:100]:
        sys.stdout.write(
            f"{wrong.pattern!r} was given {wrong.copies} of {wrong.key!r}, not {wrong.right}\n"
        )
    sys.stdout.write(
        f"{name}: {proof.pairs:,} pairs, {proof.matching:,} match, {len(proof.misrouted)} wrong\n"
    )
    return 1 if proof.misrouted else 0


if __name__ == "__main__":
    sys.exit(main())
