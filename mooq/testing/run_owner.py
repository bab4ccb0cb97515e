"""Starting and ending the process that owns a run's RabbitMQ, from pytest's first process.

No pytest process owns RabbitMQ: it would end with that process, or remain if that is killed. The
owner removes everything when the run's connection to it ends, even if pytest gets SIGKILL.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mooq.testing.lease import SUMMARY, THE_RUN, Offer, OwnerConnection, RunSummary

if TYPE_CHECKING:
    from mooq.testing.rabbitmq_settings import RabbitMQSettings

MODULE = "mooq.testing.owner_process"


class RunOwner:
    """The owner of a run's RabbitMQ, which serves clients with its token until :meth:`end`."""

    def __init__(self, settings: RabbitMQSettings) -> None:
        token = secrets.token_hex()
        packages = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(  # noqa: S603 - this Python, and a module of ours
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # not affected by Ctrl-C, or if the process group is killed
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin as stdin:  # not an argument, because others can see those
            stdin.write(f"{token}\n{settings.written()}\n")
        with self._process.stdout as stdout:
            line = stdout.readline()
        if not line:
            raise RuntimeError(
                f"the process that owns RabbitMQ did not start: {sys.executable} -m {MODULE} "
                f"exited with status {self._process.wait()}"
            )
        self.offer: Offer = Offer(json.loads(line), token)
        self._connection = OwnerConnection(self.offer)
        self._connection.ask(THE_RUN)
        self._last: RunSummary | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def summary(self) -> RunSummary:
        """The current summary; after the end, the last one."""
        if self._last is not None:
            return self._last
        self._connection.ask(SUMMARY)
        reply = self._connection.reply()
        return reply if isinstance(reply, RunSummary) else RunSummary()

    def end(self) -> None:
        """Remove what was started; return when that is done. Ending twice is safe."""
        if self._last is None:
            self._last = self.summary
            self._connection.close()
            self._process.wait()
