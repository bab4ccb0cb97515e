"""On RabbitMQ: awaited publishes against raw aio-pika, in turns on the same broker.

Prints the ratio. ``python benchmarks/on_rabbitmq.py amqp://guest:guest@localhost:5672/``
"""

from __future__ import annotations

import asyncio
import json
import sys
from statistics import median
from time import perf_counter

import aio_pika

import mooq

MESSAGES = 1_000
ROUNDS = 9
MESSAGE = {"id": 17, "name": "a message like many", "tags": ["a", "b"], "price": 1.5}
EXCHANGE = "mooq-benchmark"


async def raw_aio_pika(url: str) -> float:
    """Return seconds an awaited publish, confirmed, persistent, no queue bound."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(EXCHANGE, "direct", durable=True)
        start = perf_counter()
        for _ in range(MESSAGES):
            message = aio_pika.Message(
                json.dumps(MESSAGE).encode(),
                content_type="application/json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(message, routing_key="k", mandatory=False)
        return (perf_counter() - start) / MESSAGES


async def through_mooq(url: str) -> float:
    """Return seconds an awaited publish of mooq's."""
    async with await mooq.connect(url=url) as conn:
        chan = await conn.create_channel()
        await chan.register_producer(exchange_name=EXCHANGE, exchange_type="direct")
        await chan.publish(exchange_name=EXCHANGE, msg=MESSAGE, routing_key="k")
        start = perf_counter()
        for _ in range(MESSAGES):
            await chan.publish(exchange_name=EXCHANGE, msg=MESSAGE, routing_key="k")
        return (perf_counter() - start) / MESSAGES


async def main(url: str) -> None:
    raw, mooqs = [], []
    for _ in range(ROUNDS):
        raw.append(await raw_aio_pika(url))
        mooqs.append(await through_mooq(url))
    ratio = median(a / b for a, b in zip(raw, mooqs, strict=True))
    print(
        f"awaited publish: mooq {median(mooqs) * 1e6:.0f} µs, aio-pika {median(raw) * 1e6:.0f} µs"
    )
    print(f"  ratio of rates, mooq to aio-pika: {ratio:.2f} (at least 0.9)")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "amqp://localhost:5672/"))
