"""The run's RabbitMQ: its node, its virtual hosts, and the removal of leftovers of dead owners."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from importlib import import_module

from mooq.basics.address import host_and_port
from mooq.launchers.owner import Owner
from mooq.testing import orphans
from mooq.testing.lease import Failed, Started, Unavailable
from mooq.testing.rabbitmq_settings import RabbitMQSettings
from mooq.testing.server import Missing, Node, running_node, started_node
from mooq.testing.virtual_hosts import AHEAD, Management, VirtualHosts

REMEDY = (
    "You can also use --mooq-launcher=process with an installed rabbitmq-server, "
    "--mooq-address=amqp://guest:guest@127.0.0.1:5672 with a running RabbitMQ, or "
    "--mooq-backend=in_memory without RabbitMQ"
)

log: logging.Logger = logging.getLogger("mooq")


class RunNode:
    """One RabbitMQ, removed ``at_the_end``."""

    def __init__(self, settings: RabbitMQSettings, at_the_end: AsyncExitStack) -> None:
        self.hosts: VirtualHosts | None = None
        """Virtual hosts for tests, once it has started."""
        self._settings = settings
        self._at_the_end = at_the_end

    async def start(self) -> Started:
        """Start it; return it once it answers, or the reason why there is none."""
        self._load()
        try:
            node = await self._node()
        except Missing as error:
            if self._settings.is_launcher_named:
                return Failed(str(error))
            return Unavailable(f"{error}. {REMEDY}")
        except Exception as error:  # noqa: BLE001 - every test that waits for the answer raises it
            return Failed(f"{type(error).__name__}: {error}")
        return {
            "host": node.address.host,
            "port": node.address.port,
            "username": node.address.username,
            "password": node.address.password,
            "management": host_and_port(node.management.host, node.management.port),
            "version": node.version,
            "how": node.how,
        }

    def _load(self) -> None:
        """Import Docker's client before several threads import it.

        Threads that import circular modules concurrently may get a partly initialized one, because
        importlib avoids a deadlock.
        """
        if self._settings.address is None and self._settings.launcher == "docker":
            with suppress(ImportError):  # explained by the launcher
                import_module("testcontainers.core.container")

    async def _node(self) -> Node:
        settings = self._settings
        if settings.address is not None:
            node = await running_node(settings, settings.address)
            await self._clean_up_after_others(node.management)
            hosts = self._virtual_hosts(node)
            self._at_the_end.push_async_callback(hosts.close)
        else:
            cleaning = asyncio.create_task(self._clean_up_after_others(None))
            try:
                node = await started_node(settings, self._at_the_end)
            finally:
                await cleaning
            hosts = self._virtual_hosts(node)
            self._at_the_end.push_async_callback(hosts.abandon)
        hosts.prepare(AHEAD)
        self.hosts = hosts
        return node

    def _virtual_hosts(self, node: Node) -> VirtualHosts:
        return VirtualHosts(node.management, str(Owner.this_process()))

    async def _clean_up_after_others(self, management: Management | None) -> None:
        """Remove what killed owners left behind."""
        try:
            await asyncio.to_thread(orphans.remove, self._settings.launcher, management)
        except Exception as error:  # noqa: BLE001 - a run does not depend on it
            log.debug("could not remove what earlier runs left behind: %s", error)
