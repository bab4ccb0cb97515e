"""What dead owners left behind, and its removal: containers, nodes, virtual hosts.

Whatever an owner starts carries the owner's name: its machine, the boot of that machine, its
process and when that began. So it is known for certain whether an owner of this machine is dead;
those of other machines, and of other containers, are never touched.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from mooq.testing.virtual_hosts import Management

LABEL = "mooq.harness"
OWNER_FILE = "owner.json"


class Owner(NamedTuple):
    """The process that owns a run's RabbitMQ."""

    machine: str
    """Where its number means something: a host, and on Linux a namespace of processes there."""
    boot: str
    pid: int
    began: str

    @classmethod
    def this_process(cls) -> Owner:
        """Return the name of this process."""
        pid = os.getpid()
        return cls(*_here(), pid, beginning_of(pid) or "")

    @classmethod
    def read(cls, text: str) -> Owner | None:
        """Return the owner that was written down; None when it is none."""
        try:
            machine, boot, pid, began = json.loads(text)
            return cls(str(machine), str(boot), int(pid), str(began))
        except (ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return json.dumps(self)

    @property
    def is_dead(self) -> bool:
        """Whether it certainly is: False for what cannot be known here."""
        machine, boot = _here()
        if self.machine != machine or not self.began:
            return False
        return self.boot != boot or beginning_of(self.pid) != self.began


@functools.cache
def _here() -> tuple[str, str]:
    """Return this machine and its boot."""
    machine = boot = ""
    with contextlib.suppress(OSError):
        machine = f"{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()}/{machine}", boot


def beginning_of(pid: int) -> str | None:
    """Return when a process began, in a form to be compared; None when it runs no more."""
    if sys.platform == "linux":
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # proc(5): the state and the start time are fields 3 and 22; the name before them, in
            # parentheses, may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if fields[0] in "ZX" else fields[19]
        return None
    if sys.platform == "win32":
        return ""  # not known: nothing of it is ever taken for left behind
    import subprocess

    shown = subprocess.run(  # noqa: S603
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        check=False,
        text=True,
    ).stdout.split(maxsplit=1)
    return shown[1].strip() if shown and not shown[0].startswith("Z") else None


def remove_containers() -> None:
    """Remove the containers of dead owners. Raises what Docker's client raises."""
    from docker.errors import APIError, NotFound
    from testcontainers.core.docker_client import DockerClient

    client = DockerClient().client
    with contextlib.closing(client):
        for container in client.containers.list(
            all=True, ignore_removed=True, filters={"label": LABEL}
        ):
            owner = Owner.read(container.labels[LABEL])
            if owner is not None and owner.is_dead:
                # Another run may be about to remove it, too.
                with contextlib.suppress(NotFound, APIError):
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
    """Remove what dead owners left of what a launcher, or a broker that runs already, gave them."""
    if management is not None:
        remove_virtual_hosts(management)
    elif launcher == "docker":
        remove_containers()
    elif launcher == "process":
        remove_nodes()
