"""Ownership of the run's RabbitMQ: one container for all workers, and its removal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from docker.errors import NotFound

from mooq.launchers.owner import LABEL, Owner
from mooq.testing.lease import Failed, Lease, RunSummary
from mooq.testing.rabbitmq_settings import RabbitMQSettings
from mooq.testing.run_owner import RunOwner
from tests.integration.inner_run import (
    LONGEST,
    ONE_TEST,
    Run,
    containers_of,
    engine,
    kill_all,
    owner_of,
    run,
)
from tests.managed_docker import IMAGES
from tests.waiting import until

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["engine", "run"]  # fixtures

pytestmark = pytest.mark.rabbit

TESTS_THAT_REPORT = """
    import json, os
    from pathlib import Path

    import docker
    import psutil
    import pytest

    @pytest.mark.parametrize("number", range(6))
    @pytest.mark.parametrize("mooq_backend", ["rabbit"])
    async def test_it(number, mooq_broker, mooq_channel):
        owners = [child.pid for child in psutil.Process(os.getppid()).children()]
        client = docker.from_env()
        mine = [
            container.id
            for container in client.containers.list(filters={"label": "mooq.owner"})
            if json.loads(container.labels["mooq.owner"])[2] in owners
        ]
        client.close()
        seen = {**mooq_broker.arguments, "containers": mine}
        worker = os.environ["PYTEST_XDIST_WORKER"]
        with Path(__file__).with_name(worker).open("a") as report:
            print(json.dumps(seen), file=report)
"""
A_TEST_THAT_HANGS = """
    import asyncio
    from pathlib import Path

    import pytest

    @pytest.mark.parametrize("mooq_backend", ["rabbit"])
    async def test_it(mooq_channel):
        Path(__file__).with_name("it runs").touch()
        await asyncio.Event().wait()
"""
A_WORKER_THAT_CRASHES = """
    import json, os
    from pathlib import Path

    import pytest

    @pytest.mark.parametrize("number", range(4))
    @pytest.mark.parametrize("mooq_backend", ["rabbit"])
    async def test_it(number, mooq_broker, mooq_channel):
        Path(__file__).with_name(f"host {number}").write_text(mooq_broker.virtual_host)
        if number == 0:
            os._exit(3)

    def test_virtual_host_of_the_crashed_worker_is_gone(mooq_rabbitmq):
        from mooq.testing.virtual_hosts import Management
        from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

        crashed = Path(__file__).with_name("host 0").read_text()
        host, port = mooq_rabbitmq["management"].split(":")
        management = Management(host, int(port), "guest", "guest")
        Retrying(retry=retry_if_result(bool), wait=wait_fixed(0.1), stop=stop_after_delay(60))(
            lambda: crashed in management.descriptions()
        )
"""


def test_workers_share_one_container(run: Run, engine: DockerClient, tmp_path: Path) -> None:
    with run.start(TESTS_THAT_REPORT, "-n2") as process:
        owner = owner_of(process)
        printed, _ = process.communicate(timeout=LONGEST)

    assert process.returncode == 0, printed
    reports = sorted(tmp_path.glob("gw*"))
    assert [report.name for report in reports] == ["gw0", "gw1"], printed
    seen = [json.loads(line) for report in reports for line in report.read_text().splitlines()]
    assert len({one["port"] for one in seen}) == 1
    assert len({one["virtual_host"] for one in seen}) == len(seen) == 6
    assert {len(one["containers"]) for one in seen} == {1}
    assert containers_of(engine, owner) == []


def ends_by_ctrl_c(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=LONGEST)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, printed


def test_ctrl_c_while_booting_leaves_no_container(run: Run, engine: DockerClient) -> None:
    with run.start(ONE_TEST, "-n1") as process:
        owner = owner_of(process)
        until(lambda: containers_of(engine, owner), "a container")
        ends_by_ctrl_c(process)
    assert containers_of(engine, owner) == []


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_ctrl_c_during_a_test_leaves_no_container(
    run: Run, engine: DockerClient, tmp_path: Path, workers: str
) -> None:
    with run.start(A_TEST_THAT_HANGS, workers) as process:
        owner = owner_of(process)
        until((tmp_path / "it runs").exists, "the test to run")
        ends_by_ctrl_c(process)
    assert containers_of(engine, owner) == []


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_exit_on_first_failure_leaves_no_container(
    run: Run, engine: DockerClient, workers: str
) -> None:
    failing = f"{ONE_TEST}        assert False\n"
    with run.start(failing, "-x", "--mooq-backend=rabbit", workers) as process:
        owner = owner_of(process)
        printed, _ = process.communicate(timeout=LONGEST)

    assert "assert False" in printed
    assert process.returncode != 0
    assert containers_of(engine, owner) == []


def test_crashed_worker_is_cleaned_up_and_replaced(run: Run, engine: DockerClient) -> None:
    with run.start(A_WORKER_THAT_CRASHES, "-n1") as process:
        owner = owner_of(process)
        printed, _ = process.communicate(timeout=LONGEST)

    assert "1 failed, 4 passed" in printed
    assert "worker 'gw0' crashed" in printed
    assert containers_of(engine, owner) == []


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_owner_removes_the_container_of_a_killed_run(
    run: Run, engine: DockerClient, tmp_path: Path, workers: str
) -> None:
    with run.start(A_TEST_THAT_HANGS, workers) as process:
        owner = owner_of(process)
        until((tmp_path / "it runs").exists, "the test to run")
        assert len(containers_of(engine, owner)) == 1
        kill_all(process)

    until(lambda: not containers_of(engine, owner), "the container to be gone")


def container_of(engine: DockerClient, owner: Owner | str, label: str = LABEL) -> Any:
    """Create a container with an owner label."""
    image = next(image for image in IMAGES if engine.images.list(image))
    return engine.containers.create(image, ["true"], labels={label: str(owner)})


def test_run_removes_containers_of_dead_owners(run: Run, engine: DockerClient) -> None:
    this = Owner.this_process()
    dead = [
        this._replace(began="another process by then"),
        this._replace(pid=2**30),
        this._replace(boot="before this machine was last booted"),
    ]
    alive: list[Owner | str] = [
        this,
        this._replace(machine="another machine", pid=2**30),
        "whatever this is",
    ]
    containers = {str(owner): container_of(engine, owner) for owner in [*dead, *alive]}
    containers["unowned"] = container_of(engine, dead[0], "mooq.up")
    try:
        status, printed = run(ONE_TEST, "--mooq-backend=rabbit")
        there = engine.containers.list(all=True, ignore_removed=True)
        left = {owner for owner, container in containers.items() if container in there}
    finally:
        for container in containers.values():
            with suppress(NotFound):
                container.remove(force=True)

    assert status == 0, printed
    assert left == {"unowned", *map(str, alive)}


def test_concurrent_runs_are_independent(engine: DockerClient, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        Run(folders[0]).start(A_TEST_THAT_HANGS) as killed,
        Run(folders[1]).start(A_TEST_THAT_HANGS) as living,
    ):
        until(lambda: all((f / "it runs").exists() for f in folders), "both tests to run")
        owners = [owner_of(killed), owner_of(living)]
        ids = [containers_of(engine, owner)[0].id for owner in owners]
        assert len(set(ids)) == 2
        kill_all(killed)
        until(lambda: not containers_of(engine, owners[0]), "the first container to be gone")

        assert [container.id for container in containers_of(engine, owners[1])] == ids[1:]
        living.send_signal(signal.SIGINT)
        living.communicate(timeout=LONGEST)

    assert containers_of(engine, owners[1]) == []


def test_owner_ends_despite_a_forked_child() -> None:
    owner = RunOwner(RabbitMQSettings())
    process = psutil.Process(owner.pid)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)  # wait until the test is over
        os._exit(0)
    os.close(reading)
    owner.end()
    assert not process.is_running()
    os.close(writing)
    os.waitpid(child, 0)


def test_owner_refuses_a_wrong_token() -> None:
    owner = RunOwner(RabbitMQSettings())
    stranger = Lease(owner.offer._replace(token="wrong"))
    assert isinstance(stranger.answer(), Failed)
    stranger.close()
    assert owner.summary == RunSummary()
    owner.end()
