"""Memory and time of `mooq serve` with many connections, and with many waiting messages.

``python -m benchmarks.crowding [--connections 1000] [--messages 1000000]``

All connections are open at once, and each declares a queue, publishes and gets. Then one connection
publishes the messages, and another consumes them in order. Exits with 1 for a missing or wrong
answer, for a lost message, or if the second round does not reuse the memory of the first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from benchmarks.serve_command import SERVE, resident
from mooq.amqp import methods
from mooq.basics.address import Address
from mooq.errors import MooqError
from mooq.parity.wire.client import WireConnection, message_of

BODY = '{"id": 4711, "name": "a message as services send them", "tags": ["a", "b"]}'
PREFETCH = 1000
ROUNDS = 2
MOST_MORE = 1.1  # times the memory of the first round
OPTIONS = [False] * 5  # of a declaration


def connection(address: Address) -> WireConnection:
    """Return a connection with an open channel."""
    made = WireConnection(address)
    made.send(1, methods.CHANNEL_OPEN, "")
    made.take(1)
    return made


def connections(address: Address, count: int) -> None:
    """Open connections at once, each with its own queue."""
    opened = []
    for number in range(count):
        opened.append(connection(address))
        opened[-1].send(
            1, methods.QUEUE_DECLARE, 0, f"own {number}", *OPTIONS[:2], True, *OPTIONS[:2], {}
        )
        opened[-1].take(1)
    for number, one in enumerate(opened):
        one.publish(1, "", f"own {number}", False, message_of(str(number), {}))
        one.send(1, methods.BASIC_GET, 0, f"own {number}", True)
    for number, one in enumerate(opened):
        message = one.take(1).message
        if message is None or message.body != str(number).encode():
            raise SystemExit(f"connection {number} got {message}")
    for one in opened:
        one.close()


def messages(address: Address, count: int, used: Callable[[], float]) -> None:
    """Publish messages to one queue, then consume them."""
    publisher, consumer = connection(address), connection(address)
    publisher.send(1, methods.QUEUE_DECLARE, 0, "backlog", *OPTIONS, {})
    publisher.take(1)
    before, began = used(), time.monotonic()
    for _ in range(count):
        publisher.publish(1, "", "backlog", False, message_of(BODY, {}))
    publisher.send(1, methods.QUEUE_DECLARE, 0, "backlog", True, *OPTIONS[1:], {})
    ready = publisher.take(1).values[1]
    published, taken = time.monotonic(), used()
    if ready != count:
        raise SystemExit(f"{ready:,} of {count:,} messages wait")
    consumer.send(1, methods.BASIC_QOS, 0, PREFETCH, False)
    consumer.send(1, methods.BASIC_CONSUME, 0, "backlog", "c", *[False] * 4, {})
    for number in range(1, count + 1):
        arrived = consumer.take(1, lambda one: one.message is not None)
        if arrived.values[1:3] != (number, False):
            raise SystemExit(f"message {number:,} came as {arrived.values}")
        if number % PREFETCH == 0 or number == count:
            consumer.send(1, methods.BASIC_ACK, number, True)
    consumed = time.monotonic()
    publisher.send(1, methods.QUEUE_DELETE, 0, "backlog", False, True, False)
    if publisher.take(1).method is not methods.QUEUE_DELETE_OK:
        raise SystemExit("the queue is not empty")
    publisher.close()
    consumer.close()
    print(
        f"{count:,} messages of {len(BODY)} bytes: {(taken - before) / count * 1e6:.0f} bytes of "
        f"memory each while they wait; published in {published - began:.1f} s, consumed in "
        f"{consumed - published:.1f} s"
    )


def main() -> int:
    """Do both twice; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            address = Address.from_url(json.loads(server.stdout.readline())["url"])
            process = psutil.Process(server.pid)

            def used() -> float:
                return resident(server.pid) / 1e6

            held = []
            for _ in range(ROUNDS):
                before, began = used(), time.monotonic()
                connections(address, options.connections)
                print(
                    f"{options.connections:,} connections at once: {before:.0f} MB became "
                    f"{used():.0f}, in {time.monotonic() - began:.1f} s; "
                    f"{process.num_fds()} descriptors and {process.num_threads()} threads are left"
                )
                messages(address, options.messages, used)
                held.append(used())
            print(f"held after each round: {', '.join(f'{one:.0f} MB' for one in held)}")
        finally:
            with suppress(ProcessLookupError):
                server.terminate()
    return int(server.returncode != 0 or held[-1] > held[0] * MOST_MORE)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MooqError as error:
        sys.exit(str(error))
