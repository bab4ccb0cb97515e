"""The process that owns a run's RabbitMQ: starts it, leases virtual hosts, and removes everything.

Run as ``python -m mooq.testing.owner_process``. It reads a token and settings from standard input
and prints the port on which it listens. It ends when the connection of pytest's first process ends,
even if pytest is killed.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing, suppress
from typing import TYPE_CHECKING

from mooq.errors import BrokerConnectionError
from mooq.testing.lease import (
    ANOTHER,
    DONE,
    LOOPBACK,
    RABBITMQ,
    SUMMARY,
    THE_RUN,
    Failed,
    Reply,
    RunSummary,
    Started,
    VirtualHost,
    written,
)
from mooq.testing.rabbitmq_settings import RabbitMQSettings

if TYPE_CHECKING:
    from mooq.testing.virtual_hosts import VirtualHosts

CONNECT_TIMEOUT = 60.0  # seconds for the run to connect; it may be killed before


class SharedRabbitMQ:
    """The run's RabbitMQ, which is started on the first request for it."""

    def __init__(self, settings: RabbitMQSettings, at_the_end: AsyncExitStack) -> None:
        self.has_run: asyncio.Event = asyncio.Event()
        """Set when the run has connected."""
        self.is_over: asyncio.Event = asyncio.Event()
        """Set when the run's connection has ended."""
        self.leases: int = 0
        """The number of running processes that have requested RabbitMQ."""
        self.hosts: VirtualHosts | None = None
        self._settings = settings
        self._at_the_end = at_the_end
        self._starting: asyncio.Task[Started] | None = None
        self._began = 0.0
        self._seconds: float | None = None
        self._virtual_hosts = 0

    async def rabbitmq(self) -> Started:
        """Return RabbitMQ once it answers, or the reason why there is none."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)

    async def _start(self) -> Started:
        self._began = time.monotonic()
        # Loads aio-pika and Docker's client, which most runs do not need.
        from mooq.testing.run_node import RunNode

        node = RunNode(self._settings, self._at_the_end)
        answer = await node.start()
        self.hosts = node.hosts
        self._seconds = time.monotonic() - self._began
        return answer

    @property
    def summary(self) -> RunSummary:
        """The summary so far."""
        if self._starting is None:
            return RunSummary()
        if not self._starting.done():
            return RunSummary(time.monotonic() - self._began)
        return RunSummary(self._seconds, self._starting.result(), self._virtual_hosts)

    async def virtual_host(self) -> VirtualHost | Failed:
        """Return an unused virtual host."""
        from mooq.testing.virtual_hosts import AHEAD

        assert self.hosts is not None
        try:
            name = await self.hosts.take(ahead=AHEAD * self.leases)
        except BrokerConnectionError as error:
            return Failed(str(error))
        self._virtual_hosts += 1
        return VirtualHost(name)

    async def end(self) -> None:
        """Cancel a start that is still in progress."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])


class Client:
    """A connection to the owner, from pytest's first process or from one that runs tests."""

    def __init__(self, shared: SharedRabbitMQ, reply: Callable[[Reply], None]) -> None:
        self._shared = shared
        self._reply = reply
        self._given: set[str] = set()
        self._is_lease = False
        self._is_run = False

    async def fulfil(self, request: str) -> None:
        """Handle a request, and reply to it."""
        shared = self._shared
        if request == THE_RUN:
            self._is_run = True
            shared.has_run.set()
        elif request == SUMMARY:
            self._reply(shared.summary)
        elif request == RABBITMQ:
            self._is_lease = True
            shared.leases += 1
            self._reply(await shared.rabbitmq())
        elif request == ANOTHER:
            answer = await shared.virtual_host()
            if isinstance(answer, VirtualHost):
                self._given.add(answer.name)
            self._reply(answer)
        else:
            self._release(request.removeprefix(DONE))

    def _release(self, name: str) -> None:
        self._given.discard(name)
        assert self._shared.hosts is not None
        self._shared.hosts.release(name)

    def end(self) -> None:
        """Release the virtual hosts that the client did not release."""
        for name in list(self._given):
            self._release(name)
        self._shared.leases -= self._is_lease
        if self._is_run:
            self._shared.is_over.set()


async def serve(listener: socket.socket, token: str, settings: RabbitMQSettings) -> None:
    """Serve clients that send the token until the run ends; then remove what was started."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(shared, lambda reply: writer.write(written(reply)))
        with closing(writer), suppress(ConnectionError):  # of a worker that crashed
            shown = await reader.readline()
            if not secrets.compare_digest(shown.strip(), token.encode()):
                return
            try:
                while line := await reader.readline():
                    await client.fulfil(line.decode().strip())
            finally:
                client.end()

    async with AsyncExitStack() as at_the_end:
        shared = SharedRabbitMQ(settings, at_the_end)
        server = await asyncio.start_server(answer, sock=listener)
        at_the_end.callback(server.close)
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await shared.has_run.wait()
        if shared.has_run.is_set():
            await shared.is_over.wait()
        await shared.end()


def main() -> None:
    """Own RabbitMQ for the run that has started this process."""
    token = sys.stdin.readline().strip()
    settings = RabbitMQSettings.read(sys.stdin.readline())
    with socket.create_server((LOOPBACK, 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.close()
        asyncio.run(serve(listener, token, settings))


if __name__ == "__main__":
    main()
