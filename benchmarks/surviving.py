"""Lost messages and recovery time of a service whose broker fails under load.

``python -m benchmarks.surviving kills 50`` kills and restarts RabbitMQ 50 times.
``python -m benchmarks.surviving faults 200`` causes 200 random network faults.
``python -m benchmarks.surviving cluster`` stops, then isolates, each node of a cluster of three.
All need Docker and the image in MOOQ_RABBITMQ_IMAGE. Exits with 1 if a confirmed message is lost,
or a consumer has not recovered within a second after the broker or the network.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import mooq
from benchmarks.load import Load
from mooq.basics.address import Address
from mooq.launchers import RabbitMQBroker
from mooq.launchers.docker import DockerLauncher
from mooq.launchers.ports import LOOPBACK, free_port
from mooq.launchers.readiness import handshake, wait_until_ready
from mooq.testing.faults import Faults, faults_before

SEED = 20171123
BOUND = 1.0  # seconds within which every consumer must recover once the broker is ready
CLUSTER = Path(__file__).parents[1] / "examples" / "cluster" / "compose.yml"
PROJECT = "mooq-surviving"
SYNC = 10.0  # seconds for a node to catch up with the others
WAYS = (
    ("stopped", ("stop",), ("start",)),
    ("cut off", ("network", "disconnect"), ("network", "connect")),
)
NODES = {"one": 5681, "two": 5682, "three": 5683}


class KillingLauncher(DockerLauncher):
    """Kills RabbitMQ, like a power failure."""

    def __init__(self, address: Address, load: Load) -> None:
        super().__init__(address, None)
        self._load = load

    async def restart(self) -> None:
        node = self._prepared().get_wrapped_container()
        await self._ask("kill", node.kill)
        self._load.epoch += 1
        await self._ask("start", node.start)


async def kills(times: int) -> bool:
    """Kill a broker repeatedly; return whether no message was lost and recovery was in time."""
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
    return not load.awaited and max(back) <= BOUND


async def faults(times: int) -> bool:
    """Cause network faults; return whether no message was lost and recovery was in time."""
    load, port, chance = Load(), free_port(), Random(SEED)
    back = []
    async with (
        RabbitMQBroker(host=LOOPBACK, port=port, launcher="docker"),
        faults_before(LOOPBACK, port) as network,
        await mooq.connect(**network.arguments) as one,
        await mooq.connect(**network.arguments) as two,
        load.on([one, two]),
    ):
        for number in range(1, times + 1):
            await load.all_hear(load.epoch)
            name = chance.choice(list(FAULTS))
            FAULTS[name](network)
            await asyncio.sleep(chance.random())
            load.epoch += 1
            network.heal()
            healed = asyncio.get_running_loop().time()
            back.append(await load.all_hear(load.epoch) - healed)
            print(f"fault {number}, {name}: back {back[-1]:.2f} s after it; {load}", flush=True)
    print(f"{times} faults: back after {median(back):.2f} s, {max(back):.2f} s at most; {load}")
    return not load.awaited and max(back) <= BOUND


FAULTS: dict[str, Callable[[Faults], object]] = {
    "cut": lambda network: network.cut(),
    "cut before a confirm": lambda network: network.cut(before="confirm"),
    "cut before a delivery": lambda network: network.cut(before="delivery"),
    "vanished": lambda network: network.vanish(),
    "stalled": lambda network: network.stall(),
    "answers held back": lambda network: network.hold_answers(),
    "trickling": lambda network: network.trickle(10_000),
    "delayed": lambda network: network.delay(0.1),
    "half closed": lambda network: network.half_close(),
}


async def cluster() -> bool:
    """Stop and isolate each node of a cluster; return whether no confirmed message was lost."""
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
    return not load.awaited


async def lose_node(
    load: Load,
    connections: tuple[mooq.Connection, ...],
    name: str,
    what: str,
    lose: tuple[str, ...],
    restore: tuple[str, ...],
) -> None:
    """Lose one node, wait until every consumer has recovered, and restore the node."""
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
    ways.add_parser("faults").add_argument("times", type=int, nargs="?", default=200)
    ways.add_parser("cluster")
    options = vars(parser.parse_args())
    ran: dict[str, Callable[..., Coroutine[Any, Any, bool]]] = {
        "kills": kills,
        "faults": faults,
        "cluster": cluster,
    }
    sys.exit(not asyncio.run(ran[options.pop("way")](**options)))


if __name__ == "__main__":
    main()
