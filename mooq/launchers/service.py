"""RabbitMQ as a service of the machine, as Debian and Ubuntu install it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from mooq.errors import BrokerConnectionError
from mooq.launchers.commands import check_installed, run_as_root
from mooq.launchers.launcher import Launcher, last_lines, log_of

SERVICE = "rabbitmq-server"
LOGS = Path("/var/log/rabbitmq")
CLOCK_STEP = 1.0  # seconds that a file system's times may be behind the clock


class ServiceLauncher(Launcher):
    """The service ``rabbitmq-server``, whose init script ends when RabbitMQ is running.

    The script does not end if RabbitMQ dies, so a failed start takes the whole timeout.
    """

    waits_until_ready = True

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._began = 0.0  # the time of the latest start; older logs are of earlier nodes

    async def prepare(self) -> None:
        check_installed("service")

    async def start(self) -> None:
        await self.restart()  # also starts a stopped service

    async def restart(self) -> None:
        self._began = time.time() - CLOCK_STEP
        try:
            await run_as_root("service", SERVICE, "restart", timeout=self._timeout)
        except BrokerConnectionError as error:
            raise BrokerConnectionError(
                f"{error}{await log_of(self)}", transient=error.transient
            ) from error

    async def stop(self) -> None:
        await run_as_root("service", SERVICE, "stop", timeout=self._timeout)

    async def log(self) -> str:
        return await asyncio.to_thread(self._log)

    def _log(self) -> str:
        try:
            written = {log: log.stat().st_mtime for log in LOGS.iterdir() if log.stat().st_size}
            logs = [log for log in written if log.is_file() and written[log] >= self._began]
            newest = max(logs, key=written.__getitem__, default=None)
            return "" if newest is None else last_lines(newest.read_text(errors="replace"))
        except PermissionError:
            return f"(this user may not read it; it is in {LOGS})"
        except OSError:  # there is none
            return ""
