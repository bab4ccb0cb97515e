"""Shared code of the examples: choosing the broker on the command line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import mooq

Connect = Callable[[], Awaitable[mooq.Connection]]
"""Opens another connection to the example's broker."""


def run(main: Callable[[Connect], Awaitable[None]], description: str | None) -> None:
    """Run an example in memory or, with ``--broker rabbit``, on a RabbitMQ."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--broker", choices=["in_memory", "rabbit"], default="in_memory")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=5672)
    options = parser.parse_args()

    async def on_broker() -> None:
        async with connecting(options.broker, options.host, options.port) as connect:
            await main(connect)

    try:
        asyncio.run(on_broker())
    except mooq.BrokerConnectionError as error:
        sys.exit(f"Error: {error}")


@asynccontextmanager
async def connecting(broker: str, host: str, port: int) -> AsyncIterator[Connect]:
    """Yield a function that connects to the broker; start an in-memory broker if needed."""

    async def connect() -> mooq.Connection:
        return await mooq.connect(host, port, broker)

    if broker == "in_memory":
        async with mooq.InMemoryBroker(host=host, port=port):
            yield connect
    else:
        yield connect
