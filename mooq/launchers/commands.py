"""Running a command as root, without a shell and with a time limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import tempfile
from pathlib import Path

from mooq.basics.wording import in_seconds
from mooq.errors import BrokerConnectionError
from mooq.launchers.launcher import last_lines

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # not in every user's PATH


def check_installed(command: str) -> None:
    """Check that :func:`run_as_root` can run a command.

    Raises :class:`~mooq.BrokerConnectionError`, naming the missing command.
    """
    for needed in (command, *_become_root()[:1]):
        if _find(needed) is None:
            raise BrokerConnectionError(
                f"cannot start RabbitMQ: command {needed!r} was not found; install it, or choose "
                "another launcher",
                transient=False,
            )


async def run_as_root(*arguments: str, timeout: float) -> str:
    """Run a command, with ``sudo -n`` unless already root, and return its output.

    Raises :class:`~mooq.BrokerConnectionError` if the command fails or takes longer than
    ``timeout`` seconds. In the latter case, or if cancelled, the command is killed.
    """
    command = [*_become_root(), *arguments]
    said = shlex.join(command)
    # A file, because a daemon started by the command might keep a pipe open forever.
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            _find(command[0]) or command[0],
            *command[1:],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,  # a new session would lose sudo's cached password
        )
        try:
            async with asyncio.timeout(timeout):
                status = await process.wait()
        except TimeoutError as error:
            raise BrokerConnectionError(
                f"{said!r} did not finish within {in_seconds(timeout)}"
            ) from error
        finally:
            await _end(process)
        output.seek(0)
        printed = last_lines(output.read().decode(errors="replace"))
    if status != 0:
        raise BrokerConnectionError(
            f"{said!r} failed with exit status {status}:\n{printed}", transient=False
        )
    return printed


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        # Only root may kill what sudo runs; it ends by itself.
        with contextlib.suppress(PermissionError, ProcessLookupError):
            for pid in _with_descendants(process.pid):
                os.kill(pid, signal.SIGKILL)
            await process.wait()


def _with_descendants(pid: int) -> list[int]:
    """Return a process and all its descendants, from Linux's /proc.

    Process groups are not enough, because init scripts leave them: `su` starts a new session.
    """
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has just ended
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:  # the list grows during the loop
        found += children.get(one, ())
    return found


def _become_root() -> tuple[str, ...]:
    return () if os.geteuid() == 0 else ("sudo", "-n")


def _find(command: str) -> str | None:
    return shutil.which(command, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_FOLDERS}")
