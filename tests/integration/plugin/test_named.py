"""Runs on a named RabbitMQ that is already running."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from mooq.launchers.owner import Owner
from mooq.testing.lease import RunningRabbitMQ
from mooq.testing.virtual_hosts import Management
from tests.integration.inner_run import (
    LONGEST,
    NOWHERE,
    ONE_TEST,
    Run,
    kill_all,
    named,
    owner_of,
    run,
)
from tests.integration.plugin.test_owning import A_TEST_THAT_HANGS
from tests.waiting import until

if TYPE_CHECKING:
    pass

__all__ = ["run"]  # a fixture

pytestmark = pytest.mark.rabbit

RABBIT = "--mooq-backend=rabbit"


def management_of(rabbitmq: RunningRabbitMQ) -> Management:
    host, _, port = rabbitmq["management"].rpartition(":")
    return Management(host, int(port), rabbitmq["username"], rabbitmq["password"])


def test_named_broker_is_left_unchanged(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    with run.start(ONE_TEST, *named(mooq_rabbitmq), "-n2", DOCKER_HOST=NOWHERE) as process:
        owner = owner_of(process)
        printed, _ = process.communicate(timeout=LONGEST)

    assert process.returncode == 0, printed
    assert "2 passed" in printed
    where = f"{mooq_rabbitmq['host']}:{mooq_rabbitmq['port']}"
    assert f"mooq: in_memory and rabbit; RabbitMQ at {where}\n" in printed
    assert (
        f"mooq: RabbitMQ {mooq_rabbitmq['version']} already running at {where}, ready in "
        in printed
    )
    assert virtual_hosts_of(mooq_rabbitmq, owner) == []


def virtual_hosts_of(rabbitmq: RunningRabbitMQ, owner: Owner) -> list[str]:
    descriptions = management_of(rabbitmq).descriptions()
    return [name for name, description in descriptions.items() if description == str(owner)]


def test_owner_removes_virtual_hosts_of_a_killed_run(
    run: Run, mooq_rabbitmq: RunningRabbitMQ
) -> None:
    with run.start(A_TEST_THAT_HANGS, *named(mooq_rabbitmq), "-n2") as process:
        owner = owner_of(process)
        until((run.folder / "it runs").exists, "the test to run")
        assert virtual_hosts_of(mooq_rabbitmq, owner)
        kill_all(process)

    until(lambda: not virtual_hosts_of(mooq_rabbitmq, owner), "its virtual hosts to be gone")


def test_run_removes_virtual_hosts_of_dead_owners(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
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


def test_unusable_named_broker_fails_its_tests(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    status, printed = run(ONE_TEST, *named({**mooq_rabbitmq, "password": "wrong"}))

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 error" in printed
    assert f"cannot connect to 127.0.0.1:{mooq_rabbitmq['port']}: it refused the login" in printed


def test_missing_management_api_error_has_a_remedy(
    run: Run, mooq_rabbitmq: RunningRabbitMQ, closed_port: int
) -> None:
    address, _ = named(mooq_rabbitmq)

    status, printed = run(
        ONE_TEST, address, f"--mooq-management=127.0.0.1:{closed_port}", "--mooq-timeout=3"
    )

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "Enable it with `rabbitmq-plugins enable rabbitmq_management`" in printed
