"""The systemctl launcher in a container that boots systemd, used without root."""

from __future__ import annotations

import json
import os
import sysconfig
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

import mooq
from tests.shared_broker import leave_out

if TYPE_CHECKING:
    from docker.models.containers import Container

IMAGE = os.environ.get("MOOQ_SYSTEMD_IMAGE") or "mooq-rabbitmq:systemd"
INSIDE = Path(__file__).parent / "inside_systemd.py"

# systemd needs these privileges in a container, but not all of the host's.
PRIVILEGES: dict[str, Any] = {
    "cap_add": ["SYS_ADMIN", "NET_ADMIN"],
    "security_opt": ["seccomp=unconfined"],
    "cgroupns": "host",
    "tmpfs": {"/run": "", "/run/lock": ""},
}
# The C extensions may be built for another Python than the container's.
PURE_PYTHON = {f"{name}_NO_EXTENSIONS": "1" for name in ("MULTIDICT", "YARL", "PROPCACHE")}

pytestmark = pytest.mark.rabbit


@pytest.fixture(scope="module")
def machine() -> Iterator[Container]:
    """A machine with systemd, RabbitMQ, mooq and a user who may use sudo."""
    try:
        import docker

        client = docker.from_env()
        client.images.get(IMAGE)
    except Exception as error:  # noqa: BLE001 - any error means that there is no engine
        leave_out(
            f"the systemctl launcher needs Docker's engine and the image {IMAGE!r} ({error}); "
            "`.ci/images.sh systemd`, run as root, brings in both"
        )
    with closing(client):
        container = client.containers.run(
            IMAGE,
            ["/sbin/init", "systemd.unit=basic.target"],  # the launcher starts RabbitMQ
            detach=True,
            environment=PURE_PYTHON | {"PYTHONPATH": "/mooq:/packages:/tests"},
            volumes=[
                "/sys/fs/cgroup:/sys/fs/cgroup:rw",
                f"{Path(mooq.__file__).parent}:/mooq/mooq:ro",
                f"{sysconfig.get_path('purelib')}:/packages:ro",
                f"{INSIDE}:/tests/{INSIDE.name}:ro",
            ],
            **PRIVILEGES,
        )
        try:
            wait_until_booted(container)
            for command in (
                ["useradd", "tester"],
                ["sh", "-c", "echo 'tester ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tester"],
                ["useradd", "powerless"],
            ):
                assert container.exec_run(command).exit_code == 0
            yield container
        finally:
            container.remove(force=True, v=True)


@retry(
    retry=retry_if_result(lambda state: state not in ("running", "degraded")),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(100),
)
def wait_until_booted(container: Container) -> str:
    said: bytes = container.exec_run(["systemctl", "is-system-running"]).output
    return said.decode().strip()


def within(machine: Container, scenario: str, user: str) -> Any:
    """Run a function of inside_systemd.py in the container and return its result."""
    ran = machine.exec_run(
        ["python3", "-B", f"/tests/{INSIDE.name}", scenario], user=user, demux=True
    )
    said, complained = ran.output
    assert ran.exit_code == 0, (complained or b"").decode()
    return json.loads(said)


def test_systemctl_broker_starts_restarts_and_closes(machine: Container) -> None:
    assert within(machine, "start_restart_close", user="tester") == {
        "uid is 0": False,
        "after run": "active",
        "is_running": None,
        "connection from before the restart": "lost",
        "after the second run": "active",
        "after close": "inactive",
    }


def test_missing_unit_is_named_in_the_error(machine: Container) -> None:
    said = within(machine, "unknown_unit", user="tester")
    assert "'sudo -n systemctl restart no-such.service' failed with exit status 5" in said
    assert "Unit no-such.service not found" in said


def test_failed_unit_error_has_its_log(machine: Container) -> None:
    said = within(machine, "failing_unit", user="tester")
    assert "'sudo -n systemctl restart failing.service' failed with exit status 1" in said
    assert "The end of its log:\n" in said
    assert "the disk is full" in said


def test_missing_sudo_permission_is_reported(machine: Container) -> None:
    said = within(machine, "unknown_unit", user="powerless")
    assert "'sudo -n systemctl restart no-such.service' failed with exit status 1" in said
    assert "a password is required" in said


def test_unit_that_is_never_ready_is_stopped(machine: Container) -> None:
    said = within(machine, "slow_unit", user="tester")
    assert "'sudo -n systemctl restart slow.service' did not finish within 1 s" in said["error"]
    assert said["state"] in ("inactive", "failed")
