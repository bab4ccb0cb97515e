"""Publishing and consuming on RabbitMQ, compared with aio-pika, aiormq and FastStream.

``python -m benchmarks.on_rabbitmq amqp://guest:guest@localhost:5672/``
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from time import perf_counter
from typing import Any, TypeAlias

import aio_pika
import aiormq
from pamqp.commands import Basic

import mooq
from benchmarks.in_memory import MESSAGE, Countdown
from benchmarks.measuring import Measure, Ratio, compare, run

EXCHANGE, QUEUE = "mooq-benchmark", "mooq-benchmark"
PREFETCH = 100
PAIRS, MESSAGES_OF_A_PAIR, IN_FLIGHT_OF_A_PAIR = 8, 500, 16

Publish: TypeAlias = Callable[[], Awaitable[object]]
Publisher: TypeAlias = Callable[[str], AbstractAsyncContextManager[Publish]]


@asynccontextmanager
async def mooq_publisher(url: str) -> AsyncIterator[Publish]:
    """Yield a persistent, confirmed publish with mooq."""
    async with await mooq.connect(url=url) as conn:
        chan = await conn.create_channel()
        await chan.register_producer(exchange_name=EXCHANGE, exchange_type="direct")
        yield lambda: chan.publish(exchange_name=EXCHANGE, msg=MESSAGE, routing_key="k")


@asynccontextmanager
async def aio_pika_publisher(url: str) -> AsyncIterator[Publish]:
    """Yield the same with aio-pika."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(EXCHANGE, "direct", durable=True)

        async def publish() -> object:
            message = aio_pika.Message(
                json.dumps(MESSAGE).encode(),
                content_type="application/json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            return await exchange.publish(message, routing_key="k", mandatory=False)

        yield publish


@asynccontextmanager
async def aiormq_publisher(url: str) -> AsyncIterator[Publish]:
    """Yield the same with aiormq."""
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    await channel.exchange_declare(EXCHANGE, exchange_type="direct", durable=True)
    yield lambda: channel.basic_publish(
        json.dumps(MESSAGE).encode(),
        exchange=EXCHANGE,
        routing_key="k",
        properties=Basic.Properties(content_type="application/json", delivery_mode=2),
    )
    await connection.close()


def publishing(publisher: Publisher, url: str, messages: int, in_flight: int) -> Measure:
    """Measure a publish with a number of unconfirmed publishes."""

    async def measure() -> float:
        async with publisher(url) as publish:
            turns = iter(range(messages))

            async def work() -> None:
                for _ in turns:
                    await publish()

            await publish()
            start = perf_counter()
            await asyncio.gather(*(work() for _ in range(in_flight)))
            return (perf_counter() - start) / messages

    return measure


async def fill(url: str, messages: int) -> None:
    """Fill the queue with a number of messages."""
    async with await aio_pika.connect(url) as connection, mooq_publisher(url) as publish:
        channel = await connection.channel()
        queue = await channel.declare_queue(QUEUE, durable=True)
        await queue.bind(EXCHANGE, "k")
        await queue.purge()
        for _ in range(messages // 250):
            await asyncio.gather(*(publish() for _ in range(250)))
        await queue.unbind(EXCHANGE, "k")


def consuming(consume: Callable[[str, int], Awaitable[float]], url: str, messages: int) -> Measure:
    """Measure consuming and acknowledging a message from a filled queue."""

    async def measure() -> float:
        await fill(url, messages)
        return await consume(url, messages) / messages

    return measure


async def mooq_consumer(url: str, messages: int) -> float:
    callback = Countdown(messages)
    async with await mooq.connect(url=url) as conn:
        chan = await conn.create_channel()
        processing = asyncio.create_task(conn.process_events())
        start = perf_counter()
        await chan.register_consumer(
            QUEUE,
            ["none"],
            exchange_name=EXCHANGE,
            exchange_type="direct",
            callback=callback,
            prefetch_count=PREFETCH,
        )
        await callback.done.wait()
        seconds = perf_counter() - start
        processing.cancel()
        return seconds


async def aio_pika_consumer(url: str, messages: int) -> float:
    callback = Countdown(messages)

    async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await callback(json.loads(message.body))
        await message.ack()

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.declare_queue(QUEUE, durable=True)
        start = perf_counter()
        await queue.consume(handle)
        await callback.done.wait()
        return perf_counter() - start


async def mooq_end_to_end(url: str) -> float:
    """Measure messages between many concurrent services with mooq."""
    callback = Countdown(PAIRS * MESSAGES_OF_A_PAIR)
    async with contextlib.AsyncExitStack() as connections:

        async def open_one() -> mooq.Connection:
            return await connections.enter_async_context(await mooq.connect(url=url))

        publishers = []
        for pair in range(PAIRS):
            consuming, publishing = await open_one(), await open_one()
            await (await consuming.create_channel()).register_consumer(
                routing_keys=f"k{pair}",
                exchange_name=EXCHANGE,
                exchange_type="direct",
                callback=callback,
                prefetch_count=PREFETCH,
            )
            connections.enter_context(_cancelled(consuming.process_events()))
            publishers.append((await publishing.create_channel(), f"k{pair}"))

        def publish(pair: int) -> Awaitable[object]:
            chan, key = publishers[pair]
            return chan.publish(exchange_name=EXCHANGE, msg=MESSAGE, routing_key=key)

        return await _all_at_once(publish, callback)


async def faststream_end_to_end(url: str) -> float:
    """Measure the same with FastStream."""
    from faststream.rabbit import Channel, RabbitBroker, RabbitExchange, RabbitQueue

    callback = Countdown(PAIRS * MESSAGES_OF_A_PAIR)
    exchange = RabbitExchange(EXCHANGE, durable=True)
    async with contextlib.AsyncExitStack() as connections:
        publishers = []
        for pair in range(PAIRS):
            consuming, publishing = (
                RabbitBroker(url, default_channel=Channel(prefetch_count=PREFETCH), logger=None)
                for _ in range(2)
            )
            queue = RabbitQueue(f"mooq-benchmark-{pair}", routing_key=f"k{pair}", exclusive=True)

            @consuming.subscriber(queue, exchange)
            async def handle(message: dict[str, object]) -> None:
                await callback(message)

            for broker in (consuming, publishing):
                await connections.enter_async_context(broker)
                await broker.start()
            publishers.append((publishing, f"k{pair}"))

        async def publish(pair: int) -> None:
            broker, key = publishers[pair]
            await broker.publish(MESSAGE, exchange=exchange, routing_key=key, persist=True)

        return await _all_at_once(publish, callback)


async def _all_at_once(publish: Callable[[int], Awaitable[object]], callback: Countdown) -> float:
    async def work(pair: int, turns: Iterator[int]) -> None:
        for _ in turns:
            await publish(pair)

    turns = [iter(range(MESSAGES_OF_A_PAIR)) for _ in range(PAIRS)]
    start = perf_counter()
    await asyncio.gather(
        *(work(pair, turns[pair]) for pair in range(PAIRS) for _ in range(IN_FLIGHT_OF_A_PAIR))
    )
    await callback.done.wait()
    return (perf_counter() - start) / (PAIRS * MESSAGES_OF_A_PAIR)


@contextlib.contextmanager
def _cancelled(forever: Coroutine[Any, Any, None]) -> Iterator[None]:
    """Run a coroutine during the block."""
    task = asyncio.ensure_future(forever)
    try:
        yield
    finally:
        task.cancel()


async def main() -> list[Ratio]:
    url = sys.argv[1] if len(sys.argv) > 1 else "amqp://guest:guest@localhost:5672/"
    return [
        await compare(
            "awaited publishes",
            publishing(mooq_publisher, url, 1_000, 1),
            "raw aio-pika",
            publishing(aio_pika_publisher, url, 1_000, 1),
            "≥ 1.0",
        ),
        await compare(
            "256 publishes in flight",
            publishing(mooq_publisher, url, 5_000, 256),
            "raw aio-pika",
            publishing(aio_pika_publisher, url, 5_000, 256),
            "≥ 1.3",
        ),
        await compare(
            "256 publishes in flight",
            publishing(mooq_publisher, url, 5_000, 256),
            "raw aiormq",
            publishing(aiormq_publisher, url, 5_000, 256),
            "≥ 0.95",
        ),
        await compare(
            "consume and acknowledge",
            consuming(mooq_consumer, url, 5_000),
            "raw aio-pika, acknowledging each",
            consuming(aio_pika_consumer, url, 5_000),
            "≥ 1.3",
        ),
        *(
            [
                await compare(
                    f"end to end, {2 * PAIRS} connections",
                    lambda: mooq_end_to_end(url),
                    "FastStream",
                    lambda: faststream_end_to_end(url),
                    "≥ 1.3",
                )
            ]
            if find_spec("faststream")
            else []
        ),
    ]


if __name__ == "__main__":
    run(main, "on RabbitMQ")
