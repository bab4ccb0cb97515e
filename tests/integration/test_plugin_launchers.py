"""The other ways in which a run has its RabbitMQ: a process, a service, one that runs already."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from mooq.rabbitmq_broker.owner import Owner, beginning_of
from mooq.testing.asking import Answer
from mooq.testing.leftovers import OWNER_FILE
from mooq.testing.virtual_hosts import Management
from tests.command_line import free_port
from tests.integration.inner_run import (
    AUTO,
    LONGEST,
    NOWHERE,
    ONE_TEST,
    Run,
    kill_all,
    named,
    owner_of,
    run,
    wait_for,
)
from tests.integration.test_harness_owning import A_TEST_THAT_HANGS
from tests.integration.test_launchers_process import processes_of, temporary_folder
from tests.integration.test_launchers_systemctl import machine

if TYPE_CHECKING:
    from docker.models.containers import Container

__all__ = ["machine", "run", "temporary_folder"]  # fixtures

pytestmark = pytest.mark.rabbit

RABBIT = "--mooq-backend=rabbit"
PROCESS = "--mooq-launcher=process"


def management_of(rabbitmq: Answer) -> Management:
    host, _, port = rabbitmq["management"].rpartition(":")
    return Management(host, int(port), rabbitmq["username"], rabbitmq["password"])


@pytest.fixture
def folder(temporary_folder: Path, tmp_path: Path) -> Path:
    """Where runs keep what is temporary, on a machine that has RabbitMQ."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_a_run_has_a_process_of_its_own_and_leaves_nothing(run: Run, folder: Path) -> None:
    status, printed = run(ONE_TEST, PROCESS, "-n2", DOCKER_HOST=NOWHERE, TMPDIR=str(folder))

    assert status == 0, printed
    assert "2 passed" in printed
    assert " by process at 127.0.0.1:" in printed
    assert list(folder.glob("mooq-*")) == []
    assert processes_of(folder) == {}


def test_what_a_killed_run_leaves_of_a_process_is_removed_by_its_reaper(
    run: Run, folder: Path
) -> None:
    with run.start(A_TEST_THAT_HANGS, PROCESS, "-n0", TMPDIR=str(folder)) as process:
        wait_for((run.folder / "it runs").exists, "the test to run")
        (its_own,) = folder.glob("mooq-*")
        _, pid, began = json.loads((its_own / OWNER_FILE).read_text())
        assert beginning_of(pid) == began
        kill_all(process)

    wait_for(lambda: beginning_of(pid) is None and not its_own.exists(), "the node to be gone")


def test_a_run_begins_by_removing_the_nodes_of_the_dead_and_of_nobody_else(
    run: Run, folder: Path
) -> None:
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
    """Start a process that is written down as an owner's node."""
    its_own = folder / f"mooq-{uuid4().hex}"
    its_own.mkdir()
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    written = [str(owner), process.pid, beginning_of(process.pid)]
    (its_own / OWNER_FILE).write_text(json.dumps(written))
    return process


@pytest.mark.parametrize("launcher", ["systemctl", "service"])
def test_a_run_has_the_service_of_the_machine_and_stops_it(
    machine: Container, launcher: str, tmp_path: Path
) -> None:
    settings = "\n".join(["[pytest]", *AUTO, "mooq_unit = rabbitmq-server.service"])
    prepare = f"""
        set -e
        echo '[rabbitmq_management].' >/etc/rabbitmq/enabled_plugins
        mkdir -p /project
        cd /project
        cat >pytest.ini <<'END'\n{settings}\nEND
        cat >test_inner.py <<'END'\n{Run.dedented(ONE_TEST)}\nEND
        chown -R tester /project
    """
    assert machine.exec_run(["sh", "-c", prepare]).exit_code == 0

    status, said = machine.exec_run(
        [
            "python3",
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            RABBIT,
            f"--mooq-launcher={launcher}",
        ],
        user="tester",
        workdir="/project",
    )

    printed = said.decode()
    assert status == 0, printed
    assert "1 passed" in printed
    assert f" by {launcher} at localhost:5672, ready in " in printed
    state = machine.exec_run(["systemctl", "is-active", "rabbitmq-server.service"]).output
    assert state.strip() == b"inactive"


def test_a_broker_that_runs_already_is_used_and_left_as_it_was(
    run: Run, mooq_rabbitmq: Answer
) -> None:
    with run.start(ONE_TEST, *named(mooq_rabbitmq), "-n2", DOCKER_HOST=NOWHERE) as process:
        owner = owner_of(process)
        printed, _ = process.communicate(timeout=LONGEST)

    assert process.returncode == 0, printed
    assert "2 passed" in printed
    where = f"{mooq_rabbitmq['host']}:{mooq_rabbitmq['port']}"
    assert f"mooq: in_memory and rabbit; RabbitMQ at {where}\n" in printed
    assert f"mooq: RabbitMQ {mooq_rabbitmq['version']} named at {where}, ready in " in printed
    assert virtual_hosts_of(mooq_rabbitmq, owner) == []


def virtual_hosts_of(rabbitmq: Answer, owner: Owner) -> list[str]:
    descriptions = management_of(rabbitmq).descriptions()
    return [name for name, description in descriptions.items() if description == str(owner)]


def test_what_a_killed_run_leaves_in_a_broker_is_removed_by_its_reaper(
    run: Run, mooq_rabbitmq: Answer
) -> None:
    with run.start(A_TEST_THAT_HANGS, *named(mooq_rabbitmq), "-n2") as process:
        owner = owner_of(process)
        wait_for((run.folder / "it runs").exists, "the test to run")
        assert virtual_hosts_of(mooq_rabbitmq, owner)
        kill_all(process)

    wait_for(lambda: not virtual_hosts_of(mooq_rabbitmq, owner), "its virtual hosts to be gone")


def test_a_run_begins_by_removing_the_virtual_hosts_of_the_dead_and_of_nobody_else(
    run: Run, mooq_rabbitmq: Answer
) -> None:
    management = management_of(mooq_rabbitmq)
    owners = {
        f"test-{uuid4()}": owner
        for owner in (
            str(Owner.this_process()._replace(pid=2**30)),
            str(Owner.this_process()),
            "the project's own",
        )
    }
    gone, *stay = owners
    for name, owner in owners.items():
        management.make(name, owner)
    try:
        status, printed = run(ONE_TEST, RABBIT, *named(mooq_rabbitmq))

        assert status == 0, printed
        assert owners.keys() & management.descriptions().keys() == set(stay)
        assert gone not in management.descriptions()
    finally:
        for name in owners:
            management.delete(name)


def test_a_named_broker_that_cannot_be_used_is_an_error_and_never_skipped(
    run: Run, mooq_rabbitmq: Answer
) -> None:
    status, printed = run(ONE_TEST, *named({**mooq_rabbitmq, "password": "wrong"}))

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 error" in printed
    assert f"cannot connect to 127.0.0.1:{mooq_rabbitmq['port']}: it refused the login" in printed


def test_a_broker_without_its_management_api_is_told_to_enable_it(
    run: Run, mooq_rabbitmq: Answer
) -> None:
    address, _ = named(mooq_rabbitmq)

    status, printed = run(
        ONE_TEST, address, f"--mooq-management=127.0.0.1:{free_port()}", "--mooq-timeout=0.5"
    )

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "Enable it by `rabbitmq-plugins enable rabbitmq_management`" in printed
