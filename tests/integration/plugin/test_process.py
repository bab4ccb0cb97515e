"""Runs whose RabbitMQ is a separate process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from mooq.launchers.owner import Owner, beginning_of
from mooq.testing.orphans import OWNER_FILE
from tests.integration.inner_run import (
    LONGEST,
    NOWHERE,
    ONE_TEST,
    Run,
    kill_all,
    run,
)
from tests.integration.launchers.test_process import need_rabbitmq_server, processes_of
from tests.integration.plugin.test_owning import A_TEST_THAT_HANGS
from tests.waiting import until

__all__ = ["run"]  # a fixture

pytestmark = pytest.mark.rabbit

RABBIT = "--mooq-backend=rabbit"
PROCESS = "--mooq-launcher=process"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The temporary folder of runs; the test needs RabbitMQ on this machine."""
    need_rabbitmq_server()
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_run_has_its_own_process_and_cleans_up(run: Run, folder: Path) -> None:
    status, printed = run(ONE_TEST, PROCESS, "-n2", DOCKER_HOST=NOWHERE, TMPDIR=str(folder))

    assert status == 0, printed
    assert "2 passed" in printed
    assert " by process at 127.0.0.1:" in printed
    assert list(folder.glob("mooq-*")) == []
    assert processes_of(folder) == {}


def test_owner_removes_the_process_of_a_killed_run(run: Run, folder: Path) -> None:
    with run.start(A_TEST_THAT_HANGS, PROCESS, "-n0", TMPDIR=str(folder)) as process:
        until((run.folder / "it runs").exists, "the test to run")
        (its_own,) = folder.glob("mooq-*")
        _, pid, began = json.loads((its_own / OWNER_FILE).read_text())
        assert beginning_of(pid) == began
        kill_all(process)

    until(lambda: beginning_of(pid) is None and not its_own.exists(), "the node to be gone")


def test_run_removes_nodes_of_dead_owners(run: Run, folder: Path) -> None:
    alive = Owner.this_process()
    dead = alive._replace(pid=2**30)
    with node_of(folder, dead) as gone, node_of(folder, alive) as stays:
        try:
            status, printed = run(ONE_TEST, PROCESS, RABBIT, TMPDIR=str(folder))

            assert status == 0, printed
            assert gone.wait(LONGEST) == -signal.SIGKILL
            assert stays.poll() is None
            (left,) = folder.glob("mooq-*")
            assert Owner.read(json.loads((left / OWNER_FILE).read_text())[0]) == alive
        finally:
            for process in (gone, stays):
                process.kill()


def node_of(folder: Path, owner: Owner) -> subprocess.Popen[bytes]:
    """Start a process that is recorded as the node of an owner."""
    its_own = folder / f"mooq-{uuid4().hex}"
    its_own.mkdir()
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    written = [str(owner), process.pid, beginning_of(process.pid)]
    (its_own / OWNER_FILE).write_text(json.dumps(written))
    return process


def test_node_dying_at_boot_is_reported_with_its_log(run: Run, folder: Path) -> None:
    with run.start(ONE_TEST, PROCESS, RABBIT, TMPDIR=str(folder)) as process:
        (its_own,) = until(lambda: list(folder.glob("mooq-*")), "the node's folder")
        log = its_own / "log"
        until(lambda: log.exists() and log.read_bytes(), "something in its log")
        pid = until(lambda: json.loads((its_own / OWNER_FILE).read_text())[1], "its process")
        os.killpg(pid, signal.SIGKILL)
        printed, _ = process.communicate(timeout=LONGEST)

    assert process.returncode == pytest.ExitCode.TESTS_FAILED
    assert "no RabbitMQ for this test: " in printed
    section = printed.partition(" no RabbitMQ ==")[2].partition("short test summary")[0]
    assert "RabbitMQ exited with status -9" in section
    assert "The end of its log:\n" in section
    assert list(folder.glob("mooq-*")) == []
