"""RabbitMQ as a unit of systemd, as on Arch Linux."""

from __future__ import annotations

from mooq.errors import BrokerConnectionError
from mooq.launchers.commands import check_installed, run_as_root
from mooq.launchers.launcher import LOG_LINES, Launcher, log_of

LONGEST_LOOK = 5.0  # seconds


class SystemctlLauncher(Launcher):
    """A systemd unit of Type=notify: ``systemctl restart`` ends when RabbitMQ is running."""

    waits_until_ready = True

    def __init__(self, unit: str, timeout: float) -> None:
        self._unit = unit
        self._timeout = timeout

    async def prepare(self) -> None:
        check_installed("systemctl")

    async def start(self) -> None:
        await self.restart()  # also starts a stopped unit

    async def restart(self) -> None:
        try:
            await run_as_root("systemctl", "restart", self._unit, timeout=self._timeout)
        except BrokerConnectionError as error:
            raise BrokerConnectionError(
                f"{error}{await log_of(self)}", transient=error.transient
            ) from error

    async def stop(self) -> None:
        await run_as_root("systemctl", "stop", self._unit, timeout=self._timeout)

    async def log(self) -> str:
        which = ("--no-pager", "--quiet", f"--unit={self._unit}", f"--lines={LOG_LINES}")
        try:
            await run_as_root(
                "journalctl", "--sync", timeout=LONGEST_LOOK
            )  # the rest of the output
            return await run_as_root("journalctl", *which, timeout=LONGEST_LOOK)
        except (BrokerConnectionError, OSError):
            return ""
