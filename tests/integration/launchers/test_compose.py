"""docker-compose.yml with a real engine: readiness, durability and published ports."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

import mooq
from mooq.cli.parameters import address as read_address
from mooq.launchers.ports import LOOPBACK, free_port
from mooq.launchers.readiness import handshake
from tests.managed_docker import image_at_hand
from tests.shared_broker import leave_out

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"
FILES = [FILE, *sorted((ROOT / "examples").rglob("*compose*.yml"))]
LONGEST_COMMAND = 200.0  # seconds

Compose: TypeAlias = Callable[..., str]

pytestmark = pytest.mark.rabbit


@pytest.fixture
def ports() -> tuple[int, int]:
    """The ports of AMQP and of the web pages."""
    return free_port(), free_port()


@pytest.fixture
def compose(ports: tuple[int, int]) -> Iterator[Compose]:
    """``docker compose`` for a separate project."""
    try:
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        leave_out(
            f"docker-compose.yml needs `docker compose` ({error}); `.ci/images.sh`, run as root, "
            "brings it in"
        )
    project = f"mooq-test-{uuid4().hex[:8]}"
    variables = os.environ | {
        "MOOQ_RABBITMQ_IMAGE": image_at_hand(),
        "MOOQ_RABBITMQ_PORT": str(ports[0]),
        "MOOQ_RABBITMQ_MANAGEMENT_PORT": str(ports[1]),
    }

    def compose(*arguments: str, file: Path = FILE) -> str:
        command = ["docker", "compose", "--file", str(file), "--project-name", project, *arguments]
        ended = subprocess.run(
            command,
            env=variables,
            capture_output=True,
            text=True,
            timeout=LONGEST_COMMAND,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    yield compose
    compose("down", "--volumes", "--timeout", "0")


async def test_compose_waits_for_amqp_and_keeps_durable_data(
    compose: Compose, ports: tuple[int, int]
) -> None:
    url = f"amqp://guest:guest@{LOOPBACK}:{ports[0]}"
    compose("up", "--wait")
    await handshake(read_address(url), LONGEST_COMMAND)  # without a retry
    async with await mooq.connect(url=url) as conn, await conn.create_channel() as chan:
        await chan.register_consumer(
            "kept", exchange_name="e", exchange_type="direct", callback=_never
        )
    async with await mooq.connect(url=url) as conn, await conn.create_channel() as chan:
        await chan.publish(exchange_name="e", msg="durable")

    container = _inspect(compose)
    published = container["NetworkSettings"]["Ports"]
    assert {p["HostIp"] for ports in published.values() for p in ports or []} == {LOOPBACK}
    assert container["State"]["Health"]["FailingStreak"] == 0
    log = compose("logs", "--no-log-prefix")
    assert "unexpectedly closed" not in log  # the health check must not write to the log

    compose("down", "--timeout", "5")
    compose("up", "--wait")
    async with await mooq.connect(url=url) as conn, await conn.create_channel() as chan:
        assert (await chan.get("kept"))["msg"] == "durable"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_compose_ports_are_published_on_loopback_only(file: Path, compose: Compose) -> None:
    project = json.loads(compose("config", "--format", "json", file=file))
    opened = [port for one in project["services"].values() for port in one.get("ports", ())]
    assert opened
    assert {port.get("host_ip") for port in opened} == {LOOPBACK}
    assert not [one for one in project["services"].values() if "network_mode" in one]


async def _never(_: mooq.IncomingMessage) -> None:
    raise AssertionError("nothing was published while it consumed")


def _inspect(compose: Compose) -> dict[str, Any]:
    container = compose("ps", "--quiet").strip()
    shown = subprocess.run(["docker", "inspect", container], capture_output=True, check=True)
    (found,) = json.loads(shown.stdout)
    described: dict[str, Any] = found
    return described
