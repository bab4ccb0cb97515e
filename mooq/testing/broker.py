"""A test's own broker: an in-memory broker, or a virtual host of a RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any, Literal, TypeAlias

from mooq.basics.address import URL, Address
from mooq.basics.numbers import positive
from mooq.client.channel import CLOSE_TIMEOUT
from mooq.client.connect import connect
from mooq.client.connection import Connection
from mooq.client.in_memory import InMemoryBroker
from mooq.client.observer import observed_by
from mooq.client.properties import optional_text
from mooq.client.recovery import check_timeout
from mooq.testing.arguments import Arguments, arguments_of
from mooq.testing.clients.endpoint import Endpoint
from mooq.testing.faults import Faults
from mooq.testing.idling import wait_until_idle
from mooq.testing.leftovers import LeftoverCheck
from mooq.testing.observer import ConnectionObserver
from mooq.testing.recorder import Event, Record, Recorder, event_of
from mooq.testing.waiting import Wanted, wait_until_recorded
from mooq.transports.event_loops import SESSION_LOOP, in_another_loop

Backend: TypeAlias = Literal["in_memory", "rabbit"]

IDLE_TIMEOUT = 10.0  # seconds
AT_ONCE = 0.01  # seconds


class Broker:
    """A test's own broker. It starts empty, so tests can use fixed exchange and queue names.

    ``recorded`` has what happened on its connections. ``allows_failures`` means that callbacks may
    raise without failing the test. ``has_faults`` puts a network that can fail in front of it.
    ``redelivers`` delivers each message twice (:mod:`mooq.testing.redelivering`). With
    ``listens_in_thread`` an in-memory broker serves other clients in its own thread. ``scope`` is
    the scope of its fixture.
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
        scope: str = "function",
    ) -> None:
        self.backend = backend
        self._in_memory: InMemoryBroker | None = None
        self._listens_in_thread = listens_in_thread
        self._scope = scope
        self._endpoint: Endpoint | None = None
        self.allows_failures = allows_failures
        self._address = address
        self._has_faults = has_faults
        self._observer = ConnectionObserver(redelivers=redelivers)
        self._connections: list[Connection] = []
        self.has_failed = False
        """Whether the test has failed, so that running callbacks are cancelled at once."""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def recorded(self) -> Recorder:
        """Records of messages published, delivered, acknowledged, rejected, unroutable."""
        return self._observer.recorded

    @property
    def faults(self) -> Faults:
        """The network in front of it, used by connections through ``arguments`` or ``url``.

        Raises ``RuntimeError`` if the broker was created without one.
        """
        if not self._has_faults:
            raise RuntimeError(
                "network faults need the mooq_faults fixture: request it in the test or in one of "
                "its fixtures"
            )
        return self._clients.proxy

    @property
    def host(self) -> str:
        """The broker's host."""
        return self.arguments["host"]

    @property
    def port(self) -> int:
        """The broker's port."""
        return self.arguments["port"]

    @property
    def virtual_host(self) -> str:
        """The virtual host of this test."""
        return self._address.virtual_host

    @property
    def arguments(self) -> Arguments:
        """The arguments of :func:`mooq.connect` for this broker."""
        if self._has_faults and self._endpoint is not None:
            return self._endpoint.proxy.arguments
        return arguments_of(self.backend, self._address)

    @property
    def url(self) -> URL:
        """``amqp://user:password@host:port/virtual_host``, for any client.

        mooq observes the clients that use it. The broker starts to listen at the first use. In
        memory, the running event loop serves the clients, or a thread for tests without a loop and
        for brokers that outlast a test. On RabbitMQ, a proxy listens and passes on what they send.
        """
        return self._clients.address.url

    @property
    def addresses(self) -> list[Address]:
        """All its addresses, directly and through a proxy."""
        return [self._address] if self._endpoint is None else self._endpoint.addresses

    @property
    def _clients(self) -> Endpoint:
        if self._endpoint is None:
            raise RuntimeError("the broker is not running; enter running() first")
        return self._endpoint

    async def connect(self, **arguments: Any) -> Connection:
        """Open a connection, which is closed when the test ends.

        Arguments go to :func:`mooq.connect`, and override this broker's. Raises ``RuntimeError`` in
        another event loop than the one that will close the connection.
        """
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            if self._scope == "function":
                raise in_another_loop("the broker of this test", self._loop)
            raise in_another_loop(f"the broker of this {self._scope}", self._loop, SESSION_LOOP)
        connection = await connect(**{**self.arguments, **arguments})
        self._connections.append(connection)
        return connection

    async def idle(self, *, timeout: float = IDLE_TIMEOUT) -> tuple[str, ...]:
        """Return when the broker is idle, within ``timeout`` seconds.

        Then every publish is confirmed. Every message that has a consumer is delivered, its
        callback is done, and it is acknowledged or rejected; the same holds for messages that
        callbacks published. This covers all of mooq's connections to this broker, also in other
        threads' event loops, and the connections of other clients through :attr:`url`. mooq's
        callbacks are run even if nothing processes events.

        Returns a description of everything that gives no sign of whether it is done: consumers that
        acknowledge nothing, and publishes without confirms; of these, only messages that have
        arrived count.

        Raises the exceptions of callbacks, as ``process_events(num_cycles=n)`` does, and
        :class:`~mooq.testing.idling.NotIdle`, a ``TimeoutError``. Raises ``TypeError`` and
        ``ValueError`` for arguments.
        """
        await wait_until_idle(self._observer, self._clients, check_timeout(timeout))
        self.raise_failures("callbacks failed")
        return tuple(self._clients.activity.silent())

    async def wait_for(
        self,
        event: Event | str,
        *,
        exchange_name: str | None = None,
        routing_key: str | None = None,
        queue_name: str | None = None,
        matching: Callable[[Record], bool] | None = None,
        timeout: float = IDLE_TIMEOUT,
    ) -> Record:
        """Return the first matching record, waiting for it up to ``timeout`` seconds.

        ``event`` is an :class:`~mooq.testing.recorder.Event` or its name, such as ``"delivered"``.
        ``matching`` is a function that takes a record. Earlier records count as well;
        ``recorded.clear()`` forgets them. Raises :class:`~mooq.testing.waiting.NotRecorded`, a
        ``TimeoutError`` that shows what was recorded instead, and ``TypeError`` and ``ValueError``
        for arguments.
        """
        if matching is not None and not callable(matching):
            raise TypeError(
                f"matching must be a function that takes a record, not {type(matching).__name__}"
            )
        wanted = Wanted(
            event_of(event),
            optional_text("exchange_name", exchange_name),
            optional_text("routing_key", routing_key),
            optional_text("queue_name", queue_name),
            matching,
        )
        return await wait_until_recorded(self._observer, wanted, check_timeout(timeout))

    async def advance(self, seconds: float) -> None:
        """Let this many seconds pass for the broker, so that messages and queues expire.

        In memory this is instant; on RabbitMQ it really waits. Raises ``TypeError`` and
        ``ValueError``.
        """
        if self._in_memory is not None:
            self._in_memory.advance(seconds)
        else:
            await asyncio.sleep(positive("seconds", seconds))

    def raise_failures(self, what: str) -> None:
        """Raise callback exceptions that nothing has seen, unless the test allows failures."""
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
        """Run the broker within the block; at the end, close its connections.

        Raises the exceptions of callbacks and, if ``is_strict``,
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
            self._endpoint = Endpoint(
                self._address,
                self._in_memory,
                self._observer,
                in_thread=self._listens_in_thread or None,
            )
            at_the_end.push_async_callback(self._endpoint.close)
            healing: AbstractContextManager[object] = nullcontext()
            if self._has_faults:
                healing = self._endpoint.proxy
            leaving = LeftoverCheck(self._observer, self._endpoint) if is_strict else None
            try:
                with healing:
                    yield self
                if leaving is not None:
                    await leaving.look_at_connections()
            finally:
                await self._close_connections()
            if leaving is not None and not self.has_failed:
                straight = arguments_of(self.backend, self._address)
                async with await connect(**straight) as connection:
                    await connection.create_channel()
                    await leaving.look_at_queues(self._observer.channels[-1])
        self.raise_failures("callbacks failed while connections were closed")
        if leaving is not None and not self.has_failed:
            leaving.complain()
