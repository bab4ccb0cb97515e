"""`mooq up` and `mooq down` with a real Docker engine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import mooq
from mooq.launchers.ports import LOOPBACK, free_port
from tests import command_line
from tests.command_line import LONGEST_COMMAND, running
from tests.managed_docker import image_at_hand
from tests.shared_broker import leave_out
from tests.waiting import until

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

pytestmark = pytest.mark.rabbit


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerClient]:
    try:
        import docker

        client = docker.from_env()
    except Exception as error:  # noqa: BLE001 - any error means that there is no engine
        leave_out(
            f"`mooq up` needs Docker's engine ({error}); `.ci/images.sh`, run as root, has it"
        )
    with closing(client):
        yield client


@pytest.fixture(scope="module")
def image(engine: DockerClient) -> str:
    return image_at_hand()


@pytest.fixture
def port(engine: DockerClient) -> Iterator[int]:
    """A free port without any container after the test."""
    port = free_port()
    yield port
    left = containers_at(engine, port)
    for container in left:
        container.remove(force=True, v=True)
    assert left == []


def containers_at(engine: DockerClient, port: int) -> list[Container]:
    found: list[Container] = engine.containers.list(
        all=True,
        ignore_removed=True,
        filters={"label": f"mooq.up.address={LOOPBACK}:{port}"},
    )
    return found


async def test_up_starts_a_container_that_down_stops(
    engine: DockerClient, image: str, port: int
) -> None:
    with running("wait", port) as waiting:
        # Ryuk would remove the container when the command ends, so `up` must not use it.
        up = command_line.mooq(
            "up", "--port", port, "--image", image, TESTCONTAINERS_RYUK_DISABLED="false"
        )
        said, _ = waiting.communicate(timeout=LONGEST_COMMAND)
    assert (up.returncode, up.stdout) == (0, f"amqp://guest:guest@{LOOPBACK}:{port}\n"), up.stderr
    assert up.stderr.startswith("Ready after ")
    assert up.stderr.endswith(f" s. Stop it with: mooq down {port}\n")
    assert waiting.returncode == 0
    assert said.startswith(f"RabbitMQ at {LOOPBACK}:{port} answered after ")

    (container,) = containers_at(engine, port)
    assert container.status == "running"
    assert "mooq.owner" not in container.labels  # the container must outlive its command
    assert not engine.containers.list(filters={"ancestor": "testcontainers/ryuk"})
    async with await mooq.connect(url=up.stdout.strip()):
        pass

    again = command_line.mooq("up", "--port", port, "--image", image)
    assert again.returncode == 1
    assert f"`mooq up` has already started a RabbitMQ on port {port} with docker" in again.stderr

    down = command_line.mooq("down", f"amqp://{LOOPBACK}:{port}")
    assert (down.returncode, down.stderr) == (0, "")
    assert down.stdout == f"Stopped RabbitMQ at {LOOPBACK}:{port} (docker)\n"
    assert containers_at(engine, port) == []
    assert command_line.mooq("down", port).returncode == 3


def test_ctrl_c_while_booting_leaves_no_container(
    engine: DockerClient, image: str, port: int
) -> None:
    with running("up", "--port", port, "--image", image) as up:
        until(lambda: containers_at(engine, port), "a container")
        up.send_signal(signal.SIGINT)
        up.send_signal(signal.SIGINT)  # a second signal changes nothing
        stdout, stderr = up.communicate(timeout=LONGEST_COMMAND)
    assert up.returncode == 130
    assert (stdout, stderr) == ("", "Stopped by SIGINT.\n")
    assert containers_at(engine, port) == []


def test_down_stops_the_container_of_a_killed_up(
    engine: DockerClient, image: str, port: int
) -> None:
    with running("up", "--port", port, "--image", image) as up:
        until(lambda: containers_at(engine, port), "a container")
        up.kill()
        up.wait(LONGEST_COMMAND)
    assert containers_at(engine, port)
    assert command_line.mooq("down", port).returncode == 0
    assert containers_at(engine, port) == []


def test_up_timeout_removes_the_container(engine: DockerClient, image: str, port: int) -> None:
    up = command_line.mooq("up", "--port", port, "--image", image, "--timeout", 0.5)
    assert up.returncode == 1
    assert up.stdout == ""
    assert "Error: RabbitMQ did not complete an AMQP handshake within 0.5 s; it may" in up.stderr
    assert containers_at(engine, port) == []


def test_unavailable_image_is_named(engine: DockerClient, port: int) -> None:
    up = command_line.mooq("up", "--port", port, "--image", "mooq-rabbitmq:none-such")
    assert up.returncode == 1
    assert "cannot get the image 'mooq-rabbitmq:none-such'" in up.stderr
