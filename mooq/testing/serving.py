"""The owner's answers: one RabbitMQ for all who ask, and virtual hosts of it for each."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing, suppress
from typing import TypeAlias

from mooq.errors import BrokerConnectionError
from mooq.launchers.owner import Owner
from mooq.testing import orphans
from mooq.testing.lease import (
    ANOTHER,
    DONE,
    Failed,
    Reply,
    RunningRabbitMQ,
    Unavailable,
    VirtualHost,
    written,
)
from mooq.testing.reaper import Reaper
from mooq.testing.run_summary import RunSummary
from mooq.testing.server import Missing, Node, running_node, started_node
from mooq.testing.settings import Settings
from mooq.testing.virtual_hosts import AHEAD, Management, VirtualHosts

REMEDY = (
    "You can also name what this machine has: --mooq-launcher=process for an installed "
    "rabbitmq-server, --mooq-address=amqp://guest:guest@127.0.0.1:5672 for one that runs; "
    "--mooq-backend=in_memory does without"
)

Started: TypeAlias = RunningRabbitMQ | Unavailable | Failed

log: logging.Logger = logging.getLogger("mooq")


async def serve(
    listener: socket.socket,
    ended: socket.socket,
    token: str,
    settings: Settings,
    summary: RunSummary,
) -> None:
    """Answer until ``ended`` is at its end; then remove what was started."""
    async with AsyncExitStack() as at_the_end:
        service = _Service(token, settings, summary, at_the_end)
        server = await asyncio.start_server(service.answer, sock=listener)
        at_the_end.callback(server.close)
        reader, writer = await asyncio.open_connection(sock=ended)
        with closing(writer):
            await reader.read()
        await service.end()


class _Service:
    """Answers those who ask, each on a connection of its own."""

    def __init__(
        self, token: str, settings: Settings, summary: RunSummary, at_the_end: AsyncExitStack
    ) -> None:
        self._token = token
        self._settings = settings
        self._summary = summary
        self._at_the_end = at_the_end
        self._leases = 0
        self._starting: asyncio.Task[Started] | None = None
        self._hosts: VirtualHosts | None = None

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer who shows the token, until its end of the connection is closed."""

        def reply(answer: Reply) -> None:
            writer.write(written(answer))

        with closing(writer), suppress(ConnectionError):  # of a worker that crashed
            shown = await reader.readline()
            if not secrets.compare_digest(shown.strip(), self._token.encode()):
                return
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
            reply(await asyncio.shield(self._starting))
            if self._hosts is not None:
                await self._lease(self._hosts, reader, reply)

    async def _lease(
        self, hosts: VirtualHosts, reader: asyncio.StreamReader, reply: Callable[[Reply], None]
    ) -> None:
        """Give virtual hosts away, and take back what was not given back when the asker ends."""
        self._leases += 1
        given: set[str] = set()
        try:
            while line := (await reader.readline()).decode().strip():
                if line == ANOTHER:
                    try:
                        name = await hosts.take(ahead=AHEAD * self._leases)
                    except BrokerConnectionError as error:
                        reply(Failed(str(error)))
                        continue
                    given.add(name)
                    self._summary.virtual_hosts += 1
                    reply(VirtualHost(name))
                else:
                    name = line.removeprefix(DONE)
                    given.discard(name)
                    hosts.give_back(name)
        finally:
            self._leases -= 1
            for name in given:
                hosts.give_back(name)

    async def end(self) -> None:
        """Stop a start that nobody waits for any more."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])

    async def _start(self) -> Started:
        self._summary.began = time.monotonic()
        answer = await self._try_to_start()
        self._summary.seconds = time.monotonic() - self._summary.began
        self._summary.answer = answer
        return answer

    async def _try_to_start(self) -> Started:
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
            "management": f"{node.management.host}:{node.management.port}",
            "version": node.version,
            "how": node.how,
        }

    async def _node(self) -> Node:
        settings = self._settings
        if settings.address is not None:
            node = await running_node(settings, settings.address)
            self._clean_up_after_death(node.management)
            await self._clean_up_after_others(node.management)
            hosts = self._virtual_hosts(node)
            self._at_the_end.push_async_callback(hosts.close)
        else:
            self._clean_up_after_death(None)
            cleaning = asyncio.create_task(self._clean_up_after_others(None))
            try:
                node = await started_node(settings, self._at_the_end)
            finally:
                await cleaning
            hosts = self._virtual_hosts(node)
            self._at_the_end.push_async_callback(hosts.abandon)
        hosts.prepare(AHEAD)
        self._hosts = hosts
        return node

    def _virtual_hosts(self, node: Node) -> VirtualHosts:
        return VirtualHosts(node.management, str(Owner.this_process()))

    def _clean_up_after_death(self, management: Management | None) -> None:
        """See to it that nothing stays even when this process is killed."""
        owner = Owner.this_process()
        reaper = Reaper(owner, self._settings.launcher, management)
        self._at_the_end.callback(reaper.send_away)

    async def _clean_up_after_others(self, management: Management | None) -> None:
        """Remove what those left behind who were killed together with their reapers."""
        try:
            await asyncio.to_thread(orphans.remove, self._settings.launcher, management)
        except Exception as error:  # noqa: BLE001 - a run does not depend on it
            log.debug("what dead runs have left behind could not be removed: %s", error)
