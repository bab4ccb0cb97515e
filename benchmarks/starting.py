"""Time until the in-memory broker is listening, and the memory of ``mooq serve``.

``python -m benchmarks.starting``. The baselines only listen.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import closing
from time import perf_counter

import pika
from pika.adapters.blocking_connection import BlockingChannel

import mooq
from benchmarks.measuring import Ratio, compare, run
from benchmarks.serve_command import SERVE, resident

LOOPBACK = "127.0.0.1"
MESSAGES = 10_000
BARE = "import socket; socket.create_server(('127.0.0.1', 0)); print('listening', flush=True)"


async def in_the_loop() -> float:
    """Run a broker that listens in the running event loop."""
    start = perf_counter()
    async with mooq.InMemoryBroker(host="starting", port=1) as broker:
        broker.listen()
        await asyncio.open_connection(LOOPBACK, broker_port(broker.url))
        return perf_counter() - start


async def bare_in_the_loop() -> float:
    """Listen with asyncio."""
    start = perf_counter()
    async with await asyncio.start_server(lambda *_: None, LOOPBACK, 0) as server:
        await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        return perf_counter() - start


async def in_a_thread() -> float:
    """Run a broker that listens in a separate thread."""

    def listen() -> float:
        start = perf_counter()
        with mooq.InMemoryBroker(host="starting", port=1):
            return perf_counter() - start

    return await asyncio.to_thread(listen)


async def bare_in_a_thread() -> float:
    """Listen with asyncio in a separate thread."""

    def serve(is_listening: threading.Event) -> None:
        async def listen() -> None:
            async with await asyncio.start_server(lambda *_: None, LOOPBACK, 0):
                is_listening.set()

        asyncio.run(listen())

    def listen() -> float:
        start, is_listening = perf_counter(), threading.Event()
        thread = threading.Thread(target=serve, args=(is_listening,))
        thread.start()
        is_listening.wait()
        took = perf_counter() - start
        thread.join()
        return took

    return await asyncio.to_thread(listen)


def process(command: list[str]) -> float:
    """Return the seconds until a process reports that it is listening."""
    start = perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        took = perf_counter() - start
        child.terminate()
    return took


async def serve() -> float:
    """Start ``mooq serve``."""
    return process(SERVE)


async def bare_process() -> float:
    """Start a Python process that only listens."""
    return process([sys.executable, "-c", BARE])


def broker_port(url: str) -> int:
    """Return the port of a URL."""
    return int(url.rpartition("@")[2].partition("/")[0].rpartition(":")[2])


def memory() -> tuple[float, float]:
    """Return the MB of ``mooq serve`` when it starts listening, and after many messages."""
    with subprocess.Popen(
        SERVE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdout is not None
        url = json.loads(child.stdout.readline())["url"]
        first = resident(child.pid)
        with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
            channel: BlockingChannel = connection.channel()
            channel.queue_declare("q")
            for _ in range(MESSAGES):
                channel.basic_publish("", "q", b"x" * 1000)
            for _ in range(MESSAGES):
                channel.basic_get("q", auto_ack=True)
        last = resident(child.pid)
        child.terminate()
    return first / 1e6, last / 1e6


async def main() -> list[Ratio]:
    results = [
        await compare(
            "listen in the loop", in_the_loop, "asyncio", bare_in_the_loop, "≤ 2 ms", rounds=25
        ),
        await compare(
            "listen in a thread", in_a_thread, "asyncio", bare_in_a_thread, "≤ 5 ms", rounds=25
        ),
        await compare("mooq serve", serve, "a bare start", bare_process, "≤ 300 ms", rounds=9),
    ]
    first, last = memory()
    print(
        f"memory of mooq serve: {first:.0f} MB, {last:.0f} MB after {MESSAGES:,} messages of 1 kB "
        "(at most 40)"
    )
    return results


if __name__ == "__main__":
    run(main, "starting")
