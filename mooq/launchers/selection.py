"""Selection of a launcher by name, or by the variable TEST_DISTRIBUTION."""

from __future__ import annotations

import os

from mooq.basics.address import Address
from mooq.launchers.docker import DockerLauncher
from mooq.launchers.launcher import Launcher
from mooq.launchers.process import ProcessLauncher
from mooq.launchers.service import ServiceLauncher
from mooq.launchers.systemctl import SystemctlLauncher

VARIABLE = "TEST_DISTRIBUTION"
DISTRIBUTIONS = {
    "arch": "systemctl",
    "ubuntu": "service",
    "docker": "docker",
    "process": "process",
}


def choose_launcher(
    name: str | None, *, address: Address, image: str | None, unit: str, timeout: float
) -> Launcher:
    """Return the launcher with this name; for None, the one that the environment names.

    Raises ``ValueError``, listing the choices, for an unknown name or none at all.
    """
    match name if name is not None else _name_from_environment():
        case "systemctl":
            return SystemctlLauncher(unit, timeout)
        case "service":
            return ServiceLauncher(timeout)
        case "docker":
            return DockerLauncher(address, image)
        case "process":
            return ProcessLauncher(address)
        case unknown:
            raise ValueError(
                f"launcher {unknown!r} is unknown; choose one of "
                f"{', '.join(map(repr, DISTRIBUTIONS.values()))}"
            )


def _name_from_environment() -> str:
    distribution = os.environ.get(VARIABLE, "")
    if distribution not in DISTRIBUTIONS:
        said = f"has the unknown value {distribution!r}" if distribution else "is not set"
        raise ValueError(
            f"no launcher was chosen: the environment variable {VARIABLE} {said}; set "
            f"it to one of {', '.join(DISTRIBUTIONS)}, or pass launcher= one of "
            f"{', '.join(map(repr, DISTRIBUTIONS.values()))}"
        )
    return DISTRIBUTIONS[distribution]
