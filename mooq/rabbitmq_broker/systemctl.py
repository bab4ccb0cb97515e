"""RabbitMQ as a unit of systemd, as on Arch Linux."""

from __future__ import annotations

from mooq.errors import BrokerConnectionError
from mooq.rabbitmq_broker.commands import check_installed, run_as_root
from mooq.rabbitmq_broker.launcher import Launcher


class SystemctlLauncher(Launcher):
    """A systemd unit; of Type=notify, so that ``systemctl restart`` ends when RabbitMQ is up."""

    waits_until_ready = True

    def __init__(self, unit: str, timeout: float) -> None:
        self._unit = unit
        self._timeout = timeout

    async def prepare(self) -> None:
        check_installed("systemctl")

    async def start(self) -> None:
        # Also starts what is stopped; one that ran before run() starts anew, so that run() always
        # ends with a broker that has just started.
        await run_as_root("systemctl", "restart", self._unit, timeout=self._timeout)

    async def restart(self) -> None:
        await self.start()

    async def stop(self) -> None:
        await run_as_root("systemctl", "stop", self._unit, timeout=self._timeout)

    async def log(self) -> str:
        try:
            return await run_as_root(
                "journalctl", "--no-pager", f"--unit={self._unit}", "--lines=20", timeout=5
            )
        except BrokerConnectionError as error:
            return str(error)
