"""Other AMQP clients on the in-memory broker's port, compared with RabbitMQ.

``python -m benchmarks.serving amqp://guest:guest@localhost:5672/``
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter

import aio_pika
import pika

import mooq
from benchmarks.measuring import Measure, Ratio, compare, run
from benchmarks.serve_command import own_process

MESSAGES = 2000
TESTS = 20
IN_FLIGHT = 50
PREFETCH = 100
BODY = b'{"id": 1, "name": "a message like many"}'
QUEUE = "mooq-benchmark"

Work = Callable[[str], Awaitable[float]]
"""Takes a URL; returns the seconds per message or per test."""


async def awaited(url: str) -> float:
    """Sequential confirmed publishes with aio-pika."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(QUEUE, exclusive=True)
        start = perf_counter()
        for _ in range(MESSAGES):
            await channel.default_exchange.publish(aio_pika.Message(BODY), QUEUE)
        return (perf_counter() - start) / MESSAGES


async def in_flight(url: str) -> float:
    """Concurrent confirmed publishes with aio-pika."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(QUEUE, exclusive=True)
        turns = iter(range(MESSAGES))

        async def work() -> None:
            for _ in turns:
                await channel.default_exchange.publish(aio_pika.Message(BODY), QUEUE)

        start = perf_counter()
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return (perf_counter() - start) / MESSAGES


async def unconfirmed(url: str) -> float:
    """Publishes with aio-pika without confirms, until the last one is in the queue."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.declare_queue(QUEUE, exclusive=True)
        start = perf_counter()
        for _ in range(MESSAGES):
            await channel.default_exchange.publish(aio_pika.Message(BODY), QUEUE)
        await channel.get_queue(QUEUE)
        return (perf_counter() - start) / MESSAGES


async def consumed(url: str) -> float:
    """Consuming and acknowledging messages from a filled queue with aio-pika."""
    async with await aio_pika.connect(url) as connection:
        filling = await connection.channel(publisher_confirms=False)
        queue = await filling.declare_queue(QUEUE, exclusive=True)
        for _ in range(MESSAGES):
            await filling.default_exchange.publish(aio_pika.Message(BODY), QUEUE)
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.get_queue(QUEUE)
        left = MESSAGES
        done = asyncio.Event()

        async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            nonlocal left
            await message.ack()
            left -= 1
            if not left:
                done.set()

        start = perf_counter()
        await queue.consume(handle)
        await done.wait()
        return (perf_counter() - start) / MESSAGES


async def whole_tests(url: str) -> float:
    """Connect, declare, publish, consume and close with aio-pika, like a small test."""
    start = perf_counter()
    for _ in range(TESTS):
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(exclusive=True)
            await channel.default_exchange.publish(aio_pika.Message(BODY), queue.name)
            async with queue.iterator() as messages:
                async for message in messages:
                    await message.ack()
                    break
    return (perf_counter() - start) / TESTS


def with_pika(url: str) -> pika.BlockingConnection:
    """Connect with pika."""
    return pika.BlockingConnection(pika.URLParameters(url))


async def awaited_by_pika(url: str) -> float:
    """Sequential confirmed publishes with pika."""
    with with_pika(url) as connection:
        channel = connection.channel()
        channel.queue_declare(QUEUE, exclusive=True)
        channel.confirm_delivery()
        start = perf_counter()
        for _ in range(MESSAGES):
            channel.basic_publish("", QUEUE, BODY)
        return (perf_counter() - start) / MESSAGES


async def unconfirmed_by_pika(url: str) -> float:
    """Publishes with pika without confirms, until the last one is in the queue."""
    with with_pika(url) as connection:
        channel = connection.channel()
        channel.queue_declare(QUEUE, exclusive=True)
        start = perf_counter()
        for _ in range(MESSAGES):
            channel.basic_publish("", QUEUE, BODY)
        channel.queue_declare(QUEUE, passive=True)
        return (perf_counter() - start) / MESSAGES


async def consumed_by_pika(url: str) -> float:
    """Consuming and acknowledging messages from a filled queue with pika."""
    with with_pika(url) as connection:
        channel = connection.channel()
        channel.queue_declare(QUEUE, exclusive=True)
        for _ in range(MESSAGES):
            channel.basic_publish("", QUEUE, BODY)
        channel.basic_qos(prefetch_count=PREFETCH)
        start = perf_counter()
        left = MESSAGES
        for method, _, _ in channel.consume(QUEUE):
            channel.basic_ack(method.delivery_tag)
            left -= 1
            if not left:
                break
        seconds = perf_counter() - start
        channel.cancel()
        return seconds / MESSAGES


async def whole_tests_by_pika(url: str) -> float:
    """Connect, declare, publish, consume and close with pika, like a small test."""
    start = perf_counter()
    for _ in range(TESTS):
        with with_pika(url) as connection:
            channel = connection.channel()
            name = channel.queue_declare("", exclusive=True).method.queue
            channel.basic_publish("", name, BODY)
            for method, _, _ in channel.consume(name):
                channel.basic_ack(method.delivery_tag)
                break
            channel.cancel()
    return (perf_counter() - start) / TESTS


def measuring(work: Work, url: str) -> Measure:
    """Return a function that measures this work at a URL."""
    return lambda: work(url)


async def main(rabbitmq: str) -> list[Ratio]:
    """Measure every client with every type of server."""
    base = "RabbitMQ"
    ratios = []
    async with own_process() as url:
        for work, wanted, name in (
            (awaited, "≥ 1.5", "aio-pika, awaited publishes"),
            (in_flight, "≥ 1", f"aio-pika, {IN_FLIGHT} publishes in flight"),
            (unconfirmed, "≥ 1", "aio-pika, unconfirmed publishes"),
            (consumed, "≥ 1", "aio-pika, consume and acknowledge"),
            (whole_tests, "≥ 4", "aio-pika, a whole test"),
            (awaited_by_pika, "≥ 1.5", "pika, awaited publishes"),
            (unconfirmed_by_pika, "≥ 1", "pika, unconfirmed publishes"),
            (consumed_by_pika, "≥ 1", "pika, consume and acknowledge"),
            (whole_tests_by_pika, "≥ 4", "pika, a whole test"),
        ):
            ratios.append(
                await compare(
                    f"own process: {name}",
                    measuring(work, url),
                    base,
                    measuring(work, rabbitmq),
                    wanted,
                )
            )
    for where, wanted, in_thread in (("the loop", "≥ 2", False), ("a thread", "≥ 1.2", True)):
        async with mooq.InMemoryBroker(host="benchmark", port=1) as broker:
            url = broker.listen(in_thread=in_thread)
            for work, least, name in (
                (awaited, wanted, "aio-pika, awaited publishes"),
                (whole_tests, "≥ 4", "aio-pika, a whole test"),
            ):
                ratios.append(
                    await compare(
                        f"{where}: {name}",
                        measuring(work, url),
                        base,
                        measuring(work, rabbitmq),
                        least,
                    )
                )
    return ratios


if __name__ == "__main__":
    run(lambda: main(sys.argv[1]), "server")
