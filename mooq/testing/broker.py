"""The broker that one test has to itself: one in memory, or a virtual host of a RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from mooq.basics.address import URL, Address
from mooq.client.channel import CLOSE_TIMEOUT
from mooq.client.connect import connect
from mooq.client.connection import Connection
from mooq.client.in_memory import InMemoryBroker
from mooq.client.observer import observed_by
from mooq.testing.arguments import Arguments, arguments_of
from mooq.testing.faults import Faults, faults_before
from mooq.testing.idling import wait_until_idle
from mooq.testing.leftovers import LeftoverCheck
from mooq.testing.observer import ConnectionObserver
from mooq.testing.recorder import Recorder
from mooq.transports.event_loops import in_another_loop

Backend: TypeAlias = Literal["in_memory", "rabbit"]

IDLE_TIMEOUT = 10.0  # seconds
AT_ONCE = 0.01  # seconds


class Broker:
    """A test's own broker. Nobody used it before, so fixed names of exchanges and queues will do.

    ``recorded`` has what happened on its connections, ``allows_failures`` is whether callbacks
    may raise without failing the test, ``has_faults`` whether a network that can fail is put before
    it, ``redelivers`` whether each message is delivered twice
    (:mod:`mooq.testing.redelivering`), and ``listens_in_thread`` whether a broker in memory serves
    other clients in a thread of its own.
    """

    def __init__(
        self,
        backend: Backend,
        address: Address,
        *,
        allows_failures: bool = False,
        has_faults: bool = False,
        redelivers: bool = False,
        listens_in_thread: bool = False,
    ) -> None:
        self.backend = backend
        self._in_memory: InMemoryBroker | None = None
        self._listens_in_thread = listens_in_thread
        self.allows_failures = allows_failures
        self._address = address
        self._has_faults = has_faults
        self._faults: Faults | None = None
        self._observer = ConnectionObserver(redelivers=redelivers)
        self._connections: list[Connection] = []
        self.has_failed = False
        """Whether the test has failed, so that callbacks which still run are cut off at once."""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def recorded(self) -> Recorder:
        """Records of messages published, delivered, acknowledged, rejected, unroutable."""
        return self._observer.recorded

    @property
    def faults(self) -> Faults:
        """The network before it: what comes by ``arguments`` or ``url`` passes through that.

        Raises ``RuntimeError`` for a broker that was not asked to have one.
        """
        if self._faults is None:
            raise RuntimeError(
                "this broker has no network that can fail: let the test, or a fixture of its, take "
                "mooq_faults as an argument"
            )
        return self._faults

    @property
    def host(self) -> str:
        """The host by which it is reached."""
        return self.arguments["host"]

    @property
    def port(self) -> int:
        """The port by which it is reached."""
        return self.arguments["port"]

    @property
    def virtual_host(self) -> str:
        """Its virtual host, of this test alone."""
        return self._address.virtual_host

    @property
    def arguments(self) -> Arguments:
        """The arguments of :func:`mooq.connect` that lead here."""
        if self._faults is not None:
            return self._faults.arguments
        return arguments_of(self.backend, self._address)

    @property
    def url(self) -> URL:
        """``amqp://user:password@host:port/virtual_host``, for any client.

        In memory the broker listens from then on: in the running event loop, or in a thread for
        tests that have none and for brokers that outlast a test. Raises ``RuntimeError`` in memory
        with ``mooq_faults``, which are only for mooq's own connections there.
        """
        if self._in_memory is not None:
            if self._has_faults:
                raise RuntimeError(
                    "in memory mooq_faults are before mooq's own connections alone, not before "
                    "the URL: connect by mooq.connect(**mooq_broker.arguments), or run the test "
                    'on RabbitMQ alone by @pytest.mark.parametrize("mooq_backend", ["rabbit"])'
                )
            return URL(self._in_memory.listen(in_thread=self._listens_in_thread or None))
        return replace(self._address, host=self.host, port=self.port).url

    async def connect(self, **arguments: Any) -> Connection:
        """Open a connection, closed when the test ends.

        Arguments go to :func:`mooq.connect`, in place of those that lead here. Raises
        ``RuntimeError`` in another event loop than the one that will close it.
        """
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise in_another_loop("the broker of this test", self._loop)
        connection = await connect(**{**self.arguments, **arguments})
        self._connections.append(connection)
        return connection

    async def idle(self, *, timeout: float = IDLE_TIMEOUT) -> None:
        """Return when nothing is under way any more, within ``timeout`` seconds.

        Then every publish is confirmed; every message that a consumer may have was delivered, its
        callback is done, and it is acknowledged or rejected; so with what callbacks published, on
        all connections of mooq's to this broker, also those in other threads' event loops.
        Callbacks are run also where nobody processes events. Raises what callbacks raised, as
        ``process_events(num_cycles=n)`` does, and :class:`~mooq.testing.idling.NotIdle`, a
        ``TimeoutError``.
        """
        await wait_until_idle(self._observer, timeout)
        self.raise_failures("callbacks failed")

    def raise_failures(self, what: str) -> None:
        """Raise what callbacks raised that nobody was told of, unless the test allows failures."""
        failures = self._observer.take_failures()
        if failures and not self.allows_failures:
            if len(failures) == 1:
                raise failures[0]
            raise ExceptionGroup(f"{len(failures)} {what}", failures)

    async def _close_connections(self) -> None:
        timeout = AT_ONCE if self.has_failed else CLOSE_TIMEOUT
        async with AsyncExitStack() as closing:
            for connection in self._connections:
                closing.push_async_callback(connection.close, timeout=timeout)

    @asynccontextmanager
    async def running(self, *, is_strict: bool) -> AsyncIterator[Broker]:
        """Have the broker within the block; when it ends, close its connections.

        Raises what callbacks raised meanwhile and, if ``is_strict``,
        :class:`~mooq.testing.leftovers.Leftovers`.
        """
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as at_the_end:
            if self.backend == "in_memory":
                broker = InMemoryBroker(
                    host=self._address.host,
                    port=self._address.port,
                    virtual_hosts=("/", self.virtual_host),
                )
                self._in_memory = await at_the_end.enter_async_context(broker)
            at_the_end.enter_context(observed_by(self.virtual_host, self._observer))
            healing: AbstractContextManager[object] = nullcontext()
            if self._has_faults:
                network = faults_before(**self.arguments)
                self._faults = await at_the_end.enter_async_context(network)
                healing = self._faults
            leaving = LeftoverCheck(self._observer) if is_strict else None
            try:
                with healing:
                    yield self
                if leaving is not None:
                    await leaving.look_at_connections()
            finally:
                await self._close_connections()
            if leaving is not None and not self.has_failed:
                async with await connect(**self.arguments) as connection:
                    await connection.create_channel()
                    await leaving.look_at_queues(self._observer.channels[-1])
        self.raise_failures("callbacks failed while connections were closed")
        if leaving is not None and not self.has_failed:
            leaving.complain()
