"""Launchers of RabbitMQBroker: choice, errors and shared behaviour."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.launchers import RabbitMQBroker, commands
from mooq.launchers.cancellation import finish
from mooq.launchers.docker import DockerLauncher
from mooq.launchers.launcher import Launcher, last_lines
from mooq.launchers.ports import LOOPBACK, check_free, free_port
from mooq.launchers.process import ProcessLauncher
from mooq.launchers.selection import choose_launcher
from mooq.launchers.service import ServiceLauncher
from mooq.launchers.systemctl import SystemctlLauncher
from mooq.transports.registry import REGISTRY
from tests.waiting import until

KINDS = [
    ("systemctl", "arch", SystemctlLauncher),
    ("service", "ubuntu", ServiceLauncher),
    ("docker", "docker", DockerLauncher),
    ("process", "process", ProcessLauncher),
]


def choose(name: str | None) -> Launcher:
    address = Address("localhost", 5672)
    return choose_launcher(name, address=address, image=None, unit="a.service", timeout=1)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_become_root", tuple)


@pytest.mark.parametrize(("name", "_", "kind"), KINDS)
def test_launcher_is_chosen_by_name(name: str, _: str, kind: type) -> None:
    assert type(choose(name)) is kind


@pytest.mark.parametrize(("_", "distribution", "kind"), KINDS)
def test_launcher_is_chosen_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, _: str, distribution: str, kind: type
) -> None:
    monkeypatch.setenv("TEST_DISTRIBUTION", distribution)
    assert type(choose(None)) is kind


def test_launcher_name_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DISTRIBUTION", "arch")
    assert type(choose("docker")) is DockerLauncher


@pytest.mark.parametrize("distribution", [None, "", "debian", "systemctl"])
def test_unknown_distribution_error_lists_the_choices(
    monkeypatch: pytest.MonkeyPatch, distribution: str | None
) -> None:
    monkeypatch.delenv("TEST_DISTRIBUTION", raising=False)
    if distribution is not None:
        monkeypatch.setenv("TEST_DISTRIBUTION", distribution)
    with pytest.raises(ValueError, match="TEST_DISTRIBUTION") as raised:
        RabbitMQBroker(host="localhost", port=5672)
    for choice in ("arch", "ubuntu", "docker", "process", "'systemctl'", "'service'"):
        assert choice in str(raised.value)
    assert (distribution or "is not set") in str(raised.value)


@pytest.mark.parametrize("name", ["", "podman", "arch"])
def test_unknown_launcher_error_lists_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is unknown.*'systemctl', 'service', 'docker'"):
        RabbitMQBroker(host="localhost", port=5672, launcher=name)


@pytest.mark.parametrize("timeout", [0, -1, -0.5, float("nan")])
def test_nonpositive_launcher_timeout_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be"):
        RabbitMQBroker(host="localhost", port=5672, launcher="docker", timeout=timeout)


@pytest.mark.parametrize("port", [0, 65536])
def test_invalid_launcher_port_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match="port must be"):
        RabbitMQBroker(host="localhost", port=port, launcher="docker")


async def test_broker_is_registered_until_it_is_closed() -> None:
    broker = RabbitMQBroker(host="localhost", port=1, launcher="process")
    assert (broker.host, broker.port, broker.name) == ("localhost", 1, "localhost_1")
    assert REGISTRY.find("localhost", 1) is broker
    await broker.close()
    with pytest.raises(BrokerConnectionError, match="localhost:1"):
        REGISTRY.find("localhost", 1)


async def test_closing_a_broker_that_never_ran_is_safe() -> None:
    broker = RabbitMQBroker(host="localhost", port=2, launcher="systemctl", unit="no-such-unit")
    await broker.close()
    await broker.close()


@pytest.mark.parametrize("launcher", ["docker", "process"])
async def test_remote_launcher_host_is_refused(launcher: str) -> None:
    broker = RabbitMQBroker(host="192.0.2.1", port=5672, launcher=launcher)
    with pytest.raises(ValueError, match=r"host must be 'localhost'.*192\.0\.2\.1"):
        await broker.run()
    await broker.close()


@pytest.mark.parametrize("missing", ["systemctl", "service", "rabbitmq-server"])
async def test_missing_command_is_named_in_the_error(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("mooq.launchers.commands.SYSTEM_FOLDERS", "/nowhere")
    monkeypatch.setattr("mooq.launchers.process.SERVER_FOLDERS", "/nowhere")
    broker = RabbitMQBroker(
        host="localhost",
        port=free_port(),
        launcher=missing.replace("rabbitmq-server", "process"),
    )
    is_running = asyncio.get_running_loop().create_future()
    with pytest.raises(BrokerConnectionError, match=f"command '{missing}' was not found") as raised:
        await broker.run(is_running)
    assert is_running.exception() is raised.value
    assert not raised.value.transient
    await broker.close()


async def test_docker_launcher_names_the_missing_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers.core.container", None)
    broker = RabbitMQBroker(host="localhost", port=free_port(), launcher="docker")
    with pytest.raises(BrokerConnectionError, match=r"pip install 'mooq\[docker\]'"):
        await broker.run()
    await broker.close()


@pytest.mark.skipif(
    shutil.which("systemctl" if os.geteuid() == 0 else "sudo") is None,
    reason="this machine has no systemctl, or no sudo to run it by",
)
async def test_failed_unit_error_has_systemctl_output() -> None:
    unit = "mooq-no-such-unit.service"
    broker = RabbitMQBroker(host="localhost", port=4, launcher="systemctl", unit=unit)
    with pytest.raises(BrokerConnectionError) as raised:
        await broker.run()
    assert f"systemctl restart {unit}' failed with exit status " in str(raised.value)
    assert not raised.value.transient
    # Stopping the unit failed as well: something might still be running.
    assert f"systemctl stop {unit}' failed" in raised.value.__notes__[0]
    await broker.close()


async def test_sudo_is_required_only_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooq.launchers.commands.SYSTEM_FOLDERS", "/nowhere")
    monkeypatch.setattr("shutil.which", lambda name, path: None if name == "sudo" else "/bin/x")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    commands.check_installed("service")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BrokerConnectionError, match="command 'sudo' was not found"):
        commands.check_installed("service")


async def test_finished_is_running_future_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooq.launchers.commands.SYSTEM_FOLDERS", "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    broker = RabbitMQBroker(host="localhost", port=3, launcher="service")
    is_running: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    is_running.set_result("long ago")
    with pytest.raises(BrokerConnectionError, match="command 'service' was not found"):
        await broker.run(is_running)
    assert is_running.result() == "long ago"
    await broker.close()


async def test_taken_port_is_named_and_free_port_accepted(taken_port: int) -> None:
    await check_free(Address("localhost", free_port()))
    with pytest.raises(
        BrokerConnectionError, match=f"port {taken_port} is already in use"
    ) as raised:
        await check_free(Address("localhost", taken_port))
    assert not raised.value.transient


async def test_unknown_host_is_refused_by_the_port_check() -> None:
    with pytest.raises(ValueError, match=r"'no-such-host\.invalid'"):
        await check_free(Address("no-such-host.invalid", 5672))


@pytest.mark.usefixtures("as_root")
async def test_command_returns_its_output() -> None:
    assert await commands.run_as_root("echo", "a b", "$HOME", timeout=60) == "a b $HOME"


@pytest.mark.usefixtures("as_root")
async def test_failed_command_error_has_its_output() -> None:
    with pytest.raises(BrokerConnectionError, match=r"exit status 2:\n.*nowhere") as raised:
        await commands.run_as_root("ls", "/nowhere at all", timeout=60)
    assert "ls '/nowhere at all'" in str(raised.value)
    assert not raised.value.transient


@pytest.mark.usefixtures("as_root")
async def test_slow_command_is_killed_with_its_children(tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "held open by the command and its children")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        script = 'exec 3>"$0"; echo started >&3; sleep 1000 & wait'
        with pytest.raises(BrokerConnectionError, match=r"did not finish within 2 s") as raised:
            await commands.run_as_root("sh", "-c", script, str(fifo), timeout=2)
        assert os.read(reader, 100) == b"started\n"
        # A surviving process would keep the FIFO open.
        until(lambda: is_at_its_end(reader), "the end of the command and its children")
    finally:
        os.close(reader)
    assert raised.value.transient


def is_at_its_end(reader: int) -> bool:
    try:
        return os.read(reader, 100) == b""
    except BlockingIOError:
        return False


@pytest.mark.usefixtures("as_root")
async def test_command_with_a_daemon_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "the daemon ends when nobody can write here any more")
    ending = os.open(fifo, os.O_RDWR)
    try:
        async with asyncio.timeout(60):
            # The daemon gets an open pipe: opening it later could wait forever for a writer.
            daemon = 'exec 3<"$0"; head -n 1 <&3 & echo started'
            assert (
                await commands.run_as_root("sh", "-c", daemon, str(fifo), timeout=60) == "started"
            )
    finally:
        os.close(ending)
    until(lambda: not is_read(fifo), "the end of the daemon")


def is_read(fifo: Path) -> bool:
    """Return whether a process has a named pipe open for reading."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return False
        raise
    return True


async def test_cancellation_waits_for_work_to_finish() -> None:
    release = asyncio.Event()
    finished = []

    async def work() -> None:
        await release.wait()
        finished.append("work")

    task = asyncio.create_task(finish(work()))
    for _ in range(2):  # a second cancellation changes nothing
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert finished == ["work"]


async def test_cancelled_work_does_not_report_its_failure() -> None:
    release = asyncio.Event()

    async def work() -> None:
        await release.wait()
        raise ValueError("nobody is interested any more")

    task = asyncio.create_task(finish(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_returns_its_result_and_raises_its_error() -> None:
    async def work(number: int) -> float:
        return 1 / number

    assert await finish(work(2)) == 0.5
    with pytest.raises(ZeroDivisionError):
        await finish(work(0))


def test_log_excerpt_is_its_last_twenty_lines() -> None:
    assert last_lines("\n".join(map(str, range(30)))).split() == [str(n) for n in range(10, 30)]
    assert last_lines("") == ""


def test_choosing_a_launcher_imports_nothing_heavy() -> None:
    script = (
        "import sys; from mooq.launchers import RabbitMQBroker;"
        "[RabbitMQBroker(host='localhost', port=1, launcher=name)"
        " for name in ('docker', 'process', 'systemctl', 'service')];"
        "print({'tenacity', 'testcontainers', 'docker', 'aio_pika'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (printed.stdout, printed.stderr) == ("set()\n", "")
