"""RabbitMQ as a service of the machine, as Debian and Ubuntu install it."""

from __future__ import annotations

from mooq.rabbitmq_broker.commands import check_installed, run_as_root
from mooq.rabbitmq_broker.launcher import Launcher

SERVICE = "rabbitmq-server"


class ServiceLauncher(Launcher):
    """The service ``rabbitmq-server``, whose init script ends when RabbitMQ is up."""

    waits_until_ready = True

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    async def prepare(self) -> None:
        check_installed("service")

    async def start(self) -> None:
        await self._service("restart")  # also starts what is stopped

    async def restart(self) -> None:
        await self._service("restart")

    async def stop(self) -> None:
        await self._service("stop")

    async def _service(self, verb: str) -> None:
        await run_as_root("service", SERVICE, verb, timeout=self._timeout)
