"""Docker engines that are not on the loopback interface."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import mooq
from mooq.launchers.docker_host import EVERYWHERE, DockerHost, find_docker_host
from tests.integration.inner_run import ONE_TEST, Run, run
from tests.managed_docker import image_at_hand

__all__ = ["run"]  # a fixture

HERE, THERE = "10.231.9.1", "10.231.9.2"
NAMESPACE = "mooq-elsewhere"
ENGINE_PORT = 23750
FORWARDER = """
import socket, sys, threading
def pump(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
while True:
    client, _ = server.accept()
    engine = socket.socket(socket.AF_UNIX)
    engine.connect("/var/run/docker.sock")
    for pair in ((client, engine), (engine, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, ...]]:
    """Create a network namespace that reaches only the engine's TCP port; return its prefix."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("creating a network namespace needs root and Linux's ip command")
    ip("netns", "add", NAMESPACE)
    try:
        ip("link", "add", "mooq0", "type", "veth", "peer", "name", "mooq1", "netns", NAMESPACE)
        ip("addr", "add", f"{HERE}/24", "dev", "mooq0")
        ip("link", "set", "mooq0", "up")
        for device in ("lo", "mooq1"):
            ip("-n", NAMESPACE, "link", "set", device, "up")
        ip("-n", NAMESPACE, "addr", "add", f"{THERE}/24", "dev", "mooq1")
        command = [sys.executable, "-c", FORWARDER, HERE, str(ENGINE_PORT)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as forwarder:
            assert forwarder.stdout is not None
            forwarder.stdout.readline()
            yield ("ip", "netns", "exec", NAMESPACE)
            forwarder.kill()
    finally:
        ip("netns", "del", NAMESPACE)


@pytest.mark.rabbit
def test_container_is_published_on_the_engine_host(
    run: Run, elsewhere: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TESTCONTAINERS_HOST_OVERRIDE", raising=False)
    run.before = elsewhere
    status, printed = run(
        ONE_TEST,
        "-n0",
        f"--mooq-image={image_at_hand()}",
        "--mooq-backend=rabbit",
        DOCKER_HOST=f"tcp://{HERE}:{ENGINE_PORT}",
        MOOQ_REQUIRE_RABBITMQ="1",
    )
    assert status == 0, printed
    assert f"at {HERE}:" in printed


@pytest.mark.rabbit
async def test_host_other_than_the_engine_host_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from testcontainers.core.config import testcontainers_config

    monkeypatch.setattr(testcontainers_config, "tc_host_override", "engine.example")
    assert find_docker_host("start RabbitMQ") == DockerHost("engine.example", EVERYWHERE)
    broker = mooq.RabbitMQBroker(host="localhost", port=5679, launcher="docker")
    with pytest.raises(
        ValueError,
        match=r"^host must be 'engine\.example', not 'localhost': Docker's engine runs there",
    ):
        await broker.run()
    await broker.close()


@pytest.mark.rabbit
def test_local_engine_publishes_on_loopback_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from testcontainers.core.config import testcontainers_config

    monkeypatch.setattr(testcontainers_config, "tc_host_override", "localhost")
    assert find_docker_host("start RabbitMQ") == DockerHost("127.0.0.1", "127.0.0.1")
