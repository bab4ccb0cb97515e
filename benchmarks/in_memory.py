"""In memory: publish → callback against its floor, and topic routing as bindings grow.

Prints ratios, both sides measured in one run. ``python benchmarks/in_memory.py``
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter

import mooq

MESSAGES = 20_000
ROUNDS = 7
MESSAGE = {"id": 17, "name": "a message like many", "tags": ["a", "b"], "price": 1.5}


async def floor() -> float:
    """Return seconds a message for a bare json.dumps + json.loads + create_task."""
    done = 0
    finished = asyncio.Event()

    async def callback(message: object) -> None:
        nonlocal done
        done += 1
        if done == MESSAGES:
            finished.set()

    running = set()
    start = perf_counter()
    for _ in range(MESSAGES):
        task = asyncio.create_task(callback(json.loads(json.dumps(MESSAGE))))
        running.add(task)
        task.add_done_callback(running.discard)
    await finished.wait()
    return (perf_counter() - start) / MESSAGES


async def through_mooq() -> float:
    """Return seconds a message from publish to callback, direct exchange, one consumer."""
    done = 0
    finished = asyncio.Event()

    async def callback(message: mooq.IncomingMessage) -> None:
        nonlocal done
        done += 1
        if done == MESSAGES:
            finished.set()

    async with (
        mooq.InMemoryBroker(host="benchmark", port=1),
        await mooq.connect("benchmark", 1, "in_memory") as conn,
    ):
        chan = await conn.create_channel()
        await chan.register_consumer(
            "q", ["k"], exchange_name="e", exchange_type="direct", callback=callback
        )
        processing = asyncio.create_task(conn.process_events())
        start = perf_counter()
        for _ in range(MESSAGES):
            await chan.publish(exchange_name="e", msg=MESSAGE, routing_key="k")
        await finished.wait()
        seconds = perf_counter() - start
        processing.cancel()
    return seconds / MESSAGES


async def topic_publish(bindings: int) -> float:
    """Return seconds a publish to a topic exchange with so many bindings, two of which match."""
    publishes = 5_000

    async def ignore(message: mooq.IncomingMessage) -> None: ...

    async with (
        mooq.InMemoryBroker(host="benchmark", port=1),
        await mooq.connect("benchmark", 1, "in_memory") as conn,
    ):
        chan = await conn.create_channel()
        for number in range(10):
            keys = [f"site{n}.*.level{n % 7}.#" for n in range(number, bindings - 2, 10)]
            await chan.register_consumer(
                f"q{number}",
                keys or ["none"],
                exchange_name="t",
                exchange_type="topic",
                callback=ignore,
            )
        await chan.register_consumer(
            "hit",
            ["*.room.level3.#", "site3.#"],
            exchange_name="t",
            exchange_type="topic",
            callback=ignore,
        )
        start = perf_counter()
        for _ in range(publishes):
            await chan.publish(exchange_name="t", msg=1, routing_key="site3.room.level3.x.y")
        return (perf_counter() - start) / publishes


async def middle(measure: Callable[[], Awaitable[float]]) -> float:
    return median([await measure() for _ in range(ROUNDS)])


async def main() -> None:
    bare, mooqs = [], []
    for _ in range(ROUNDS):
        bare.append(await floor())
        mooqs.append(await through_mooq())
    ratio = median(a / b for a, b in zip(bare, mooqs, strict=True))
    print(f"publish → callback: {median(mooqs) * 1e6:.1f} µs; floor {median(bare) * 1e6:.1f} µs")
    print(f"  ratio to the floor: {ratio:.2f} (at least 0.4)")
    few = await middle(lambda: topic_publish(10))
    many = await middle(lambda: topic_publish(100_000))
    print(f"topic publish: {few * 1e6:.1f} µs with 10 bindings, {many * 1e6:.1f} µs with 100,000")
    print(f"  cost ratio: {many / few:.2f} (at most 2)")


if __name__ == "__main__":
    asyncio.run(main())
