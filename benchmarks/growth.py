"""Cost of an operation in memory with up to a million queues, bindings, consumers or messages.

``python -m benchmarks.growth [--largest 1000000]``. The cost should be constant, except that it
grows with the size of a message, which is copied.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from statistics import median
from time import process_time
from typing import TypeAlias

import mooq
from benchmarks.in_memory import MESSAGE, Countdown
from benchmarks.measuring import keep

OPERATIONS = 2_000
ROUNDS = 5
SIZES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)

serial = count(1)

Operation: TypeAlias = Callable[[], Awaitable[object]]


@asynccontextmanager
async def channel() -> AsyncIterator[tuple[mooq.Connection, mooq.Channel]]:
    """Yield a connection and a channel to a new broker."""
    host = f"growth-{next(serial)}"
    async with (
        mooq.InMemoryBroker(host=host, port=1),
        await mooq.connect(host, 1, "in_memory") as conn,
    ):
        yield conn, await conn.create_channel()


async def seconds(operation: Operation) -> float:
    """Return the median CPU time of an operation over several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start = process_time()
        for _ in range(OPERATIONS):
            await operation()
        rounds.append((process_time() - start) / OPERATIONS)
    return median(rounds)


async def consume(
    chan: mooq.Channel, queue: str, keys: list[str], kind: str = "direct", prefetch_count: int = 1
) -> None:
    await chan.register_consumer(
        queue,
        keys,
        exchange_name=kind,
        exchange_type=kind,
        callback=Countdown(0),
        prefetch_count=prefetch_count,
    )


async def waiting(size: int) -> float:
    """Publish to a queue with ``size`` waiting messages."""
    async with channel() as (_, chan):
        await consume(chan, "q", ["k"])
        for _ in range(size):
            await chan.publish(exchange_name="direct", msg=1, routing_key="k")
        return await seconds(
            lambda: chan.publish(exchange_name="direct", msg=MESSAGE, routing_key="k")
        )


async def taking(size: int) -> float:
    """Get a message from a queue with ``size`` waiting messages, and publish another."""
    async with channel() as (conn, chan):
        await consume(chan, "q", ["k"])
        await conn.process_events(num_cycles=1)
        other = await conn.create_channel()
        for _ in range(size + OPERATIONS * ROUNDS):
            await chan.publish(exchange_name="direct", msg=1, routing_key="k")
        return await seconds(lambda: other.get("q"))


async def topic_bindings(size: int) -> float:
    """Publish to a topic exchange with ``size`` bindings, one of which matches."""
    async with channel() as (_, chan):
        keys = [f"site{number}.*.level{number % 7}.#" for number in range(1, size)]
        await consume(chan, "q", ["*.room.hit.#", *keys], "topic")
        return await seconds(
            lambda: chan.publish(exchange_name="topic", msg=1, routing_key="site0.room.hit.x")
        )


async def queues(size: int) -> float:
    """Publish to one of ``size`` queues."""
    async with channel() as (_, chan):
        for number in range(size):
            await consume(chan, f"q{number}", [f"k{number}"])
        return await seconds(
            lambda: chan.publish(exchange_name="direct", msg=MESSAGE, routing_key="k0")
        )


async def consumers(size: int) -> float:
    """Publish to a queue with ``size`` consumers, all below their prefetch limit."""
    async with channel() as (_, chan):
        for _ in range(size):
            await consume(chan, "q", ["k"], prefetch_count=65_535)
        return await seconds(
            lambda: chan.publish(exchange_name="direct", msg=MESSAGE, routing_key="k")
        )


async def body(size: int) -> float:
    """Publish and deliver a message of ``size`` bytes."""
    async with channel() as (conn, chan):
        callback = Countdown(0)
        await chan.register_consumer(
            "q", ["k"], exchange_name="direct", exchange_type="direct", callback=callback
        )
        text = "x" * size

        async def publish() -> None:
            await chan.publish(exchange_name="direct", msg=text, routing_key="k")
            await conn.process_events(num_cycles=1)

        return await seconds(publish) if size < 100_000 else await a_few(publish)


async def a_few(operation: Operation, times: int = 30) -> float:
    start = process_time()
    for _ in range(times):
        await operation()
    return (process_time() - start) / times


async def floor_of_body(size: int) -> float:
    """Encode and decode ``size`` bytes of JSON, and nothing else."""
    text = "x" * size

    async def both() -> None:
        json.loads(json.dumps(text).encode())

    return await seconds(both) if size < 100_000 else await a_few(both)


CURVES: dict[str, tuple[Callable[[int], Awaitable[float]], int]] = {
    "publish, by messages that wait": (waiting, 1_000_000),
    "get, by messages that wait": (taking, 1_000_000),
    "topic publish, by bindings": (topic_bindings, 1_000_000),
    "publish, by queues": (queues, 100_000),
    "publish, by consumers of the queue": (consumers, 10_000),
    "publish and deliver, by bytes": (body, 1_000_000),
    "json alone, by bytes": (floor_of_body, 1_000_000),
}
"""The measurements, and the largest size of each that memory and time allow."""


async def main(largest: int) -> dict[str, dict[int, float]]:
    curves: dict[str, dict[int, float]] = {}
    for name, (measure, most) in CURVES.items():
        sizes = [size for size in SIZES if size <= min(most, largest)]
        curves[name] = {size: await measure(size) for size in sizes}
        figures = ", ".join(f"{size:,}: {cost * 1e6:.1f} µs" for size, cost in curves[name].items())
        print(f"{name} | {figures}", flush=True)
    return curves


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    keep("growth", asyncio.run(main(parser.parse_args().largest)))
