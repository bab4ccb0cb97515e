"""Names of processes that own a RabbitMQ, by which to tell whether they are dead.

A name consists of the machine, its boot, the process and the time at which that started. Owners on
other machines or in other containers are never considered dead.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple

LABEL = "mooq.owner"
"""The label of a container that holds its owner's name."""


class Owner(NamedTuple):
    """The process that owns a RabbitMQ."""

    machine: str
    """The scope of its process id: a host, and on Linux a PID namespace."""
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
        """Return the owner with this name; None if the name is invalid."""
        try:
            machine, boot, pid, began = json.loads(text)
            return cls(str(machine), str(boot), int(pid), str(began))
        except (ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return json.dumps(self)

    @property
    def is_dead(self) -> bool:
        """Whether it is certainly dead; False if that is unknown."""
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
        return ""  # unknown, so its owner is never considered dead
    import subprocess

    shown = subprocess.run(  # noqa: S603
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        check=False,
        text=True,
    ).stdout.split(maxsplit=1)
    return shown[1].strip() if shown and not shown[0].startswith("Z") else None
