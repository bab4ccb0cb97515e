"""Removal of containers, nodes and virtual hosts of dead owners.

It removes only what is labelled with the name of an owner that is certainly dead.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

from mooq.launchers.owner import LABEL, Owner, beginning_of
from mooq.testing.virtual_hosts import Management

OWNER_FILE = "owner.json"


def remove_containers() -> None:
    """Remove the containers of dead owners. Raises the errors of Docker's client."""
    import docker  # itself first: see DockerLauncher
    from testcontainers.core.docker_client import DockerClient

    client = DockerClient().client
    with contextlib.closing(client):
        for container in client.containers.list(
            all=True, ignore_removed=True, filters={"label": LABEL}
        ):
            owner = Owner.read(container.labels[LABEL])
            if owner is not None and owner.is_dead:
                # Another run may be removing it, too.
                with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
                    container.remove(force=True, v=True)


def remove_nodes() -> None:
    """Kill the nodes of dead owners, and delete their folders."""
    for path in Path(tempfile.gettempdir()).glob(f"mooq-*/{OWNER_FILE}"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            if path.stat().st_uid != os.getuid():
                continue
            written, pid, began = json.loads(path.read_text())
            owner = Owner.read(written)
            if owner is not None and owner.is_dead:
                if began and beginning_of(pid) == began:
                    os.killpg(pid, signal.SIGKILL)
                shutil.rmtree(path.parent, ignore_errors=True)


def remove_virtual_hosts(management: Management) -> None:
    """Delete the virtual hosts of dead owners. Raises :class:`~mooq.BrokerConnectionError`."""
    for name, description in management.descriptions().items():
        owner = Owner.read(description)
        if owner is not None and owner.is_dead:
            management.delete(name)


def remove(launcher: str, management: Management | None) -> None:
    """Remove what dead owners left behind, for a launcher or on a running broker."""
    if management is not None:
        remove_virtual_hosts(management)
    elif launcher == "docker":
        remove_containers()
    elif launcher == "process":
        remove_nodes()
