"""Memory of a publisher and a consumer of a queue with a million messages.

``python -m benchmarks.backlog --url amqp://… [--messages 1000000] [--seconds 30]``. Use a virtual
host without other clients. The publisher has 256 publishes in flight. The consumer has a prefetch
count of 100 and takes 10 ms per message. Exits with 1 if the memory of either grows by 8 MiB.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable

import mooq
from benchmarks.soak import Held

EXCHANGE, QUEUE = "backlog", "backlog"
IN_FLIGHT, PREFETCH = 256, 100
WORK = 0.01  # seconds
MOST_MORE = 8 * 2**20  # bytes
MESSAGE = {"id": 4711, "name": "a message as services send them", "tags": ["a", "b"]}


async def publish(channel: mooq.Channel, messages: int, look: Callable[[], None]) -> None:
    """Publish messages, and measure memory twenty times in between."""
    numbers = iter(range(messages))

    async def some() -> None:
        for number in numbers:
            await channel.publish(exchange_name=EXCHANGE, msg=MESSAGE)
            if number % (messages // 20) == 0:
                look()

    async with asyncio.TaskGroup() as publishing:
        for _ in range(IN_FLIGHT):
            publishing.create_task(some())


async def work(_: mooq.IncomingMessage) -> None:
    await asyncio.sleep(WORK)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    looks: list[Held] = []

    def look() -> None:
        looks.append(Held.now())

    async with await mooq.connect(url=options.url) as conn:
        chan = await conn.create_channel()
        await chan.register_consumer(
            QUEUE, exchange_name=EXCHANGE, exchange_type="fanout", callback=work
        )
        await chan.close()
        chan = await conn.create_channel()
        await publish(chan, options.messages, look)
        ok = report(f"publishing {options.messages:,} messages", looks)
        looks.clear()
        await chan.register_consumer(
            QUEUE,
            exchange_name=EXCHANGE,
            exchange_type="fanout",
            callback=work,
            prefetch_count=PREFETCH,
        )
        processing = asyncio.create_task(conn.process_events())
        for _ in range(20):
            await asyncio.sleep(options.seconds / 20)
            look()
        processing.cancel()
        ok = report(f"consuming them slowly for {options.seconds:g} s", looks) and ok
        await chan.delete_queue(QUEUE)
    raise SystemExit(not ok)


def report(what: str, looks: list[Held]) -> bool:
    """Print the first, last and highest measurement; return whether they are close."""
    first, last = looks[1], looks[-1]
    most = max(look.memory for look in looks)
    print(f"{what}: {first}, then {last}, at most {most / 2**20:.1f} MiB", flush=True)
    return most - first.memory <= MOST_MORE


if __name__ == "__main__":
    asyncio.run(main())
