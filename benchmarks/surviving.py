"""What a service loses when its broker fails under load, and how soon it is back.

``python -m benchmarks.surviving kills 50`` kills RabbitMQ and starts it again, so often.
``python -m benchmarks.surviving cluster`` stops, then cuts off, each node of a cluster of three.
Both need Docker, and the image that MOOQ_RABBITMQ_IMAGE names. Exit status 1 when a confirmed
message was lost, or a consumer was not back within a second of the broker's readiness.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from statistics import median

import mooq
from benchmarks.load import Load
from mooq.address import Address
from mooq.rabbitmq_broker import RabbitMQBroker
from mooq.rabbitmq_broker.docker import DockerLauncher
from mooq.rabbitmq_broker.ports import LOOPBACK, free_port
from mooq.rabbitmq_broker.readiness import handshake, wait_until_ready

SEED = 20171123
BOUND = 1.0  # seconds after the broker's readiness, by when every consumer is to be back
CLUSTER = Path(__file__).parents[1] / "examples" / "cluster" / "compose.yml"
PROJECT = "mooq-surviving"
SYNC = 10.0  # seconds for a node to have caught up with the others
WAYS = (
    ("stopped", ("stop",), ("start",)),
    ("cut off", ("network", "disconnect"), ("network", "connect")),
)
NODES = {"one": 5681, "two": 5682, "three": 5683}


class KillingLauncher(DockerLauncher):
    """Ends RabbitMQ as a power failure does."""

    def __init__(self, address: Address, load: Load) -> None:
        super().__init__(address, None)
        self._load = load

    async def restart(self) -> None:
        node = self._prepared().get_wrapped_container()
        await self._ask("kill", node.kill)
        self._load.epoch += 1
        await self._ask("start", node.start)


async def kills(times: int) -> bool:
    """Kill a broker so often; return whether all went well."""
    load, port, chance = Load(), free_port(), Random(SEED)
    launcher = KillingLauncher(Address(LOOPBACK, port), load)
    back = []
    async with (
        RabbitMQBroker(host=LOOPBACK, port=port, launcher=launcher) as broker,
        await mooq.connect(LOOPBACK, port) as one,
        await mooq.connect(LOOPBACK, port) as two,
        load.on([one, two]),
    ):
        for number in range(1, times + 1):
            await load.all_hear(load.epoch)
            await asyncio.sleep(chance.random())
            await broker.run()
            ready = asyncio.get_running_loop().time()
            back.append(max(await load.all_hear(load.epoch) - ready, 0))
            print(f"kill {number}: back {back[-1]:.2f} s after the broker; {load}", flush=True)
    print(f"{times} kills: back after {median(back):.2f} s, {max(back):.2f} s at most; {load}")
    return not load.lost and max(back) <= BOUND


async def cluster() -> bool:
    """Lose each node of a cluster in two ways; return whether nothing confirmed was lost."""
    load = Load()
    compose("up", "--wait", "--detach")
    try:
        urls = [f"amqp://{LOOPBACK}:{port}" for port in NODES.values()]
        async with (
            await mooq.connect(url=urls) as one,
            await mooq.connect(url=urls) as two,
            load.on([one, two]),
        ):
            await load.all_hear(load.epoch)
            for what, lose, restore in WAYS:
                for name in NODES:
                    await lose_node(load, (one, two), name, what, lose, restore)
    finally:
        compose("down", "--volumes", "--timeout", "0")
    print(load)
    return not load.lost


async def lose_node(
    load: Load,
    connections: tuple[mooq.Connection, ...],
    name: str,
    what: str,
    lose: tuple[str, ...],
    restore: tuple[str, ...],
) -> None:
    """Lose one node, wait until every consumer is back, and have the node back as well."""
    users = sum(connection.port == NODES[name] for connection in connections)
    await asyncio.to_thread(docker, *lose, *target(name, lose))
    load.epoch += 1
    clock = asyncio.get_running_loop().time
    began = clock()
    back = await load.all_hear(load.epoch) - began
    print(
        f"node {name} {what}, used by {users} of {len(connections)} connections: "
        f"back after {back:.2f} s; {load}",
        flush=True,
    )
    await asyncio.to_thread(docker, *restore, *target(name, restore))
    address = Address(LOOPBACK, NODES[name])
    await wait_until_ready(lambda timeout: handshake(address, timeout), None, 60)
    await asyncio.sleep(SYNC)


def target(name: str, command: tuple[str, ...]) -> list[str]:
    container = f"{PROJECT}-{name}-1"
    if command[0] != "network":
        return [container]
    alias = ["--alias", name] if command[-1] == "connect" else []
    return [*alias, f"{PROJECT}_default", container]


def compose(*arguments: str) -> None:
    docker("compose", "--file", str(CLUSTER), "--project-name", PROJECT, *arguments)


def docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, capture_output=True)


def main() -> None:
    logging.getLogger().addHandler(logging.NullHandler())
    parser = argparse.ArgumentParser(description=__doc__)
    ways = parser.add_subparsers(dest="way", required=True)
    ways.add_parser("kills").add_argument("times", type=int, nargs="?", default=50)
    ways.add_parser("cluster")
    options = parser.parse_args()
    work: Awaitable[bool] = kills(options.times) if options.way == "kills" else cluster()
    sys.exit(not asyncio.run(_as_coroutine(lambda: work)))


async def _as_coroutine(work: Callable[[], Awaitable[bool]]) -> bool:
    return await work()


if __name__ == "__main__":
    main()
