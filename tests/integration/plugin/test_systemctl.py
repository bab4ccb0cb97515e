"""Runs with the RabbitMQ service of a machine with systemd, without root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.inner_run import AUTO, ONE_TEST, Run
from tests.integration.launchers.test_systemctl import machine

if TYPE_CHECKING:
    from docker.models.containers import Container

__all__ = ["machine"]  # a fixture

pytestmark = pytest.mark.rabbit

RABBIT = "--mooq-backend=rabbit"


@pytest.mark.parametrize("launcher", ["systemctl", "service"])
def test_run_starts_and_stops_the_system_service(machine: Container, launcher: str) -> None:
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
