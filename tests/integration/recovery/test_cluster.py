"""The three-node cluster of examples/, with node failures under load."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

import mooq
from benchmarks.load import Load
from mooq.launchers.ports import LOOPBACK, free_port
from tests.managed_docker import IMAGES
from tests.shared_broker import leave_out

COMPOSE = Path(__file__).parents[3] / "examples" / "cluster" / "compose.yml"
NODES = ("one", "two", "three")
LONGEST_COMMAND = 200.0  # seconds

pytestmark = pytest.mark.rabbit


class Cluster:
    """The cluster, in a separate compose project."""

    def __init__(self) -> None:
        self.ports = {name: free_port() for name in NODES}
        self._project = f"mooq-test-{uuid4().hex[:8]}"
        image = os.environ.get("MOOQ_RABBITMQ_IMAGE") or next(filter(is_there, IMAGES), IMAGES[-1])
        self._environment = os.environ | {
            "MOOQ_RABBITMQ_IMAGE": image,
            **{
                f"MOOQ_CLUSTER_PORT_{number}": str(port)
                for number, port in enumerate(self.ports.values(), 1)
            },
        }

    @property
    def urls(self) -> list[str]:
        return [f"amqp://{LOOPBACK}:{port}" for port in self.ports.values()]

    def node_of(self, connection: mooq.Connection) -> str:
        """Return the container of the node that a connection uses."""
        (name,) = [name for name, port in self.ports.items() if port == connection.port]
        return f"{self._project}-{name}-1"

    @property
    def network(self) -> str:
        return f"{self._project}_default"

    async def compose(self, *arguments: str) -> None:
        await self.docker(
            *("compose", "--file", str(COMPOSE), "--project-name", self._project), *arguments
        )

    async def docker(self, *arguments: str) -> None:
        ended = await asyncio.to_thread(
            subprocess.run,
            ["docker", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_COMMAND,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr


def is_there(image: str) -> bool:
    inspected = subprocess.run(
        ["docker", "image", "inspect", image], capture_output=True, check=False
    )
    return inspected.returncode == 0


def look_for_compose() -> None:
    try:
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        leave_out(f"a cluster needs `docker compose` ({error}); `.ci/images.sh` brings it in")


@asynccontextmanager
async def running() -> AsyncIterator[Cluster]:
    look_for_compose()
    cluster = Cluster()
    try:
        await cluster.compose("up", "--wait", "--detach")
        yield cluster
    finally:
        await cluster.compose("down", "--volumes", "--timeout", "0")


async def test_cluster_failures_lose_no_confirmed_message() -> None:
    load = Load()
    async with (
        running() as cluster,
        await mooq.connect(url=cluster.urls, heartbeat=1) as one,
        await mooq.connect(url=cluster.urls, heartbeat=1) as two,
    ):
        async with load.on([one, two]):
            await load.all_hear(load.epoch)
            stopped = cluster.node_of(one)
            await cluster.docker("stop", stopped)
            load.epoch += 1
            await load.all_hear(load.epoch)
            await cluster.docker("start", stopped)
            await cluster.compose("up", "--wait", "--detach", "--no-recreate")
            cut_off = cluster.node_of(one)
            assert cut_off != stopped
            await cluster.docker("network", "disconnect", cluster.network, cut_off)
            load.epoch += 1
            await load.all_hear(load.epoch)
            assert cluster.node_of(one) != cut_off
        assert load.confirmed > 0
        assert load.awaited == set()
