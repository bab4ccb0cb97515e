"""Cost of observing clients: a whole test in memory, and the delay of the proxy on RabbitMQ.

``python -m benchmarks.observing [amqp://…]``. RabbitMQ needs the management plugin at port 15672 of
the same host, or at ``--management-port``. Without an address, the proxy is not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import aio_pika

from benchmarks.harness import ONE_TEST, pytest_seconds
from mooq.testing import running_broker

TESTS = 400
TURNS = 7
PUBLISHES = 300
ON_AIO_PIKA = """
import aio_pika
import pytest

@pytest.mark.parametrize("number", range({count}))
async def test_it(mooq_broker, number):
    async with await aio_pika.connect(mooq_broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q")
        heard = []

        async def hear(message):
            heard.append(message.body)
            await message.ack()

        await queue.consume(hear)
        await channel.default_exchange.publish(aio_pika.Message(b"tea"), "q")
        await mooq_broker.idle()
        assert heard == [b"tea"]
"""
ON_PIKA = """
import pika
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(mooq_broker, number):
    with pika.BlockingConnection(pika.URLParameters(mooq_broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q")
        channel.basic_publish("", "q", b"tea")
        mooq_broker.idle()
        assert channel.basic_get("q", auto_ack=True)[2] == b"tea"
"""


def tests_in_memory() -> None:
    """Measure whole tests, including all fixtures."""
    for name, text, count in (
        ("mooq's API", f"import pytest\n{ONE_TEST}", TESTS),
        ("aio-pika", ON_AIO_PIKA, TESTS),
        ("pika", ON_PIKA, TESTS),
    ):
        seconds = [run(text, count), run(text, 1)]
        each = (seconds[0] - seconds[1]) / (count - 1)
        print(f"a test on {name} in memory: {each * 1e3:.1f} ms")


def run(text: str, count: int) -> float:
    """Return the seconds of a pytest run with a number of tests."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pytest.ini").write_text(
            "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        )
        (Path(folder) / "test_it.py").write_text(text.format(count=count))
        return pytest_seconds(folder, "--mooq-backend=in_memory", "-p", "no:cacheprovider")


async def round_trip(url: str) -> float:
    """Return the seconds per awaited publish."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("q", exclusive=True)
        message = aio_pika.Message(b"x" * 100)
        for _ in range(PUBLISHES // 10):
            await channel.default_exchange.publish(message, "q")
        began = perf_counter()
        for _ in range(PUBLISHES):
            await channel.default_exchange.publish(message, "q")
        return (perf_counter() - began) / PUBLISHES


async def proxy(url: str, management_port: int) -> None:
    """Measure a round trip through the proxy, alternating with a direct connection."""
    async with running_broker(url, management_port=management_port) as broker:
        pairs = [(await round_trip(url), await round_trip(broker.url)) for _ in range(TURNS)]
    added = median(through - direct for direct, through in pairs)
    direct = median(one for one, _ in pairs)
    print(
        f"the proxy adds {added * 1e3:.2f} ms to a round trip of {direct * 1e3:.2f} ms "
        "(wanted: 0.3 ms)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--management-port", type=int, default=15672)
    arguments = parser.parse_args()
    tests_in_memory()
    if arguments.url:
        asyncio.run(proxy(arguments.url, arguments.management_port))


if __name__ == "__main__":
    main()
