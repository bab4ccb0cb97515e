"""Messages in memory, compared with the minimal cost and with other libraries.

``python benchmarks/in_memory.py`` measures those that are installed
(``pip install kombu 'faststream[rabbit]'``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from itertools import count
from time import perf_counter

import mooq
from benchmarks.measuring import Measure, Ratio, compare, run
from mooq.client.codec import encode
from mooq.transports.memory import PUBLISHES_A_TURN

MESSAGE = {"id": 17, "name": "a message like many", "tags": ["a", "b"], "price": 1.5}
LARGE = {"text": "x" * 64_000}

serial = count(1)
read = json.JSONDecoder().raw_decode


class Countdown:
    """A callback that sets an event after a number of calls."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.done = asyncio.Event()

    async def __call__(self, message: object) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()


def floor(message: object, messages: int, copies: int = 1) -> Measure:
    """Measure the minimum for any broker: encode a message, and decode each copy in a task.

    It uses mooq's encoder and a single decoder, and yields to the event loop as often as mooq, so
    that no more tasks are waiting than in mooq.
    """

    async def measure() -> float:
        callback = Countdown(messages * copies)
        running = set()
        start = perf_counter()
        for number in range(1, messages + 1):
            body = encode(message)
            for _ in range(copies):
                task = asyncio.create_task(callback(read(body.decode())[0]))
                running.add(task)
                task.add_done_callback(running.discard)
            if number % PUBLISHES_A_TURN == 0:
                await asyncio.sleep(0)
        await callback.done.wait()
        return (perf_counter() - start) / messages

    return measure


def through_mooq(
    message: object, messages: int, *, queues: int = 1, consumers: int = 1, kind: str = "direct"
) -> Measure:
    """Measure a message from publish to the callbacks of all its queues."""

    async def measure() -> float:
        callback = Countdown(messages * queues)
        host = f"benchmark-{next(serial)}"
        async with (
            mooq.InMemoryBroker(host=host, port=1),
            await mooq.connect(host, 1, "in_memory") as conn,
        ):
            chan = await conn.create_channel()
            for queue in range(queues):
                for _ in range(consumers):
                    await chan.register_consumer(
                        f"q{queue}", ["k"], exchange_name="e", exchange_type=kind, callback=callback
                    )
            processing = asyncio.create_task(conn.process_events())
            start = perf_counter()
            for _ in range(messages):
                await chan.publish(exchange_name="e", msg=message, routing_key="k")
            await callback.done.wait()
            seconds = perf_counter() - start
            processing.cancel()
        return seconds / messages

    return measure


def topic_publish(bindings: int, publishes: int = 5_000) -> Measure:
    """Measure a publish to a topic exchange with many bindings, two of which match."""

    async def measure() -> float:
        host = f"benchmark-{next(serial)}"
        async with (
            mooq.InMemoryBroker(host=host, port=1),
            await mooq.connect(host, 1, "in_memory") as conn,
        ):
            chan = await conn.create_channel()
            for queue in range(10):
                keys = [f"site{n}.*.level{n % 7}.#" for n in range(queue, bindings - 2, 10)]
                await chan.register_consumer(
                    f"q{queue}",
                    keys or ["-"],
                    exchange_name="t",
                    exchange_type="topic",
                    callback=Countdown(0),
                )
            await chan.register_consumer(
                "hit",
                ["*.room.level3.#", "site3.#"],
                exchange_name="t",
                exchange_type="topic",
                callback=Countdown(0),
            )
            start = perf_counter()
            for _ in range(publishes):
                await chan.publish(exchange_name="t", msg=1, routing_key="site3.room.level3.x.y")
            return (perf_counter() - start) / publishes

    return measure


async def kombu() -> float:
    """Measure kombu's memory transport, from publish to acknowledgement."""
    from kombu import Connection, Exchange, Queue

    messages = 3_000
    received = 0

    def callback(body: object, message: object) -> None:
        nonlocal received
        message.ack()  # type: ignore[attr-defined]
        received += 1

    with Connection("memory://") as connection:
        queue = Queue(f"q{next(serial)}", Exchange("e", "direct"), routing_key="k")
        with connection.Consumer(queue, callbacks=[callback]):
            producer = connection.Producer()
            start = perf_counter()
            for _ in range(messages):
                producer.publish(MESSAGE, exchange=queue.exchange, routing_key="k")
            while received < messages:
                connection.drain_events(timeout=1)
            return (perf_counter() - start) / messages


async def faststream() -> float:
    """Measure FastStream's TestRabbitBroker, from publish to handler."""
    from faststream.rabbit import RabbitBroker, TestRabbitBroker

    messages = 200
    broker = RabbitBroker()

    @broker.subscriber("q")
    async def handle(message: dict[str, object]) -> None: ...

    async with TestRabbitBroker(broker) as testing:
        start = perf_counter()
        for _ in range(messages):
            await testing.publish(MESSAGE, "q")
        return (perf_counter() - start) / messages


PEERS: tuple[tuple[str, str, Callable[[], Awaitable[float]], str], ...] = (
    ("kombu", "kombu memory://, publish → ack", kombu, "≥ 3"),
    ("faststream", "FastStream TestRabbitBroker", faststream, "≥ 80"),
)


async def main() -> list[Ratio]:
    bare = "JSON and a task alone"
    one = through_mooq(MESSAGE, 20_000)
    results = [
        await compare("publish → callback", one, bare, floor(MESSAGE, 20_000), "≥ 0.8"),
        await compare(
            "fanout to 100 queues",
            through_mooq(MESSAGE, 200, queues=100, kind="fanout"),
            bare,
            floor(MESSAGE, 200, copies=100),
            "≥ 0.8",
        ),
        await compare(
            "1,000 consumers of one queue",
            through_mooq(MESSAGE, 20_000, consumers=1000),
            bare,
            floor(MESSAGE, 20_000),
            "≥ 0.8",
        ),
        await compare(
            "messages of 64 kB", through_mooq(LARGE, 2_000), bare, floor(LARGE, 2_000), "≥ 0.8"
        ),
        await compare(
            "topic publish, 100,000 bindings",
            topic_publish(100_000),
            "10 bindings",
            topic_publish(10),
            "≥ 0.77 (cost ≤ 1.3)",
            rounds=5,
        ),
    ]
    for package, name, measure, wanted in PEERS:
        if find_spec(package) is None:
            print(f"publish → callback | {name} | not installed: pip install {package}")
        else:
            results.append(await compare("publish → callback", one, name, measure, wanted))
    return results


if __name__ == "__main__":
    run(main, "in memory")
