"""`mooq up --launcher systemctl` in a container that boots systemd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.launchers.test_systemctl import machine as machine

if TYPE_CHECKING:
    from docker.models.containers import Container

UNIT = "rabbitmq-server.service"

pytestmark = pytest.mark.rabbit


def said_by(machine: Container, *command: str) -> tuple[int, str, str]:
    ran = machine.exec_run(command, demux=True)
    said, complained = ((part or b"").decode() for part in ran.output)
    return ran.exit_code, said, complained


def test_up_starts_the_unit_that_down_stops(machine: Container) -> None:
    mooq = ("python3", "-B", "-m", "mooq")
    status, said, complained = said_by(
        machine, *mooq, "up", "--launcher", "systemctl", "--unit", UNIT, "--json"
    )
    assert status == 0, complained
    assert json.loads(said)["launcher"] == "systemctl"
    assert said_by(machine, "systemctl", "is-active", UNIT)[1] == "active\n"

    assert said_by(machine, *mooq, "down", "5672")[:2] == (
        0,
        "Stopped RabbitMQ at 127.0.0.1:5672 (systemctl)\n",
    )
    assert said_by(machine, "systemctl", "is-active", UNIT)[1] == "inactive\n"
    assert said_by(machine, *mooq, "down")[0] == 1


def test_missing_unit_is_named_and_not_recorded(
    machine: Container,
) -> None:
    mooq = ("python3", "-B", "-m", "mooq")
    status, said, complained = said_by(
        machine, *mooq, "up", "--launcher", "systemctl", "--unit", "no-such.service"
    )
    assert (status, said) == (1, "")
    assert "no-such.service" in complained
    assert said_by(machine, *mooq, "down")[0] == 1
