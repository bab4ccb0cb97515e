"""The class names of mooq 0.1.1 for the in-memory broker, and the broker itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import time
from typing import TYPE_CHECKING, ClassVar, Never, Self

from mooq.basics.address import Address, check_host, check_port
from mooq.basics.numbers import positive
from mooq.broker.broker import Broker as Rules
from mooq.broker.outbox import dispatch_effects
from mooq.broker.versions import DEFAULT, VERSIONS
from mooq.client.channel import Channel
from mooq.client.connection import Connection
from mooq.client.lifetime import Lifetime
from mooq.client.positional import keyword_only, refuse_positional
from mooq.client.properties import check_bool, check_int
from mooq.client.recovery import check_timeout
from mooq.errors import BrokerConnectionError
from mooq.transports.base import Transport
from mooq.transports.direct import DirectBroker
from mooq.transports.event_loops import in_loop, running_loop
from mooq.transports.mailbox import SharedBroker
from mooq.transports.memory import MemoryTransport
from mooq.transports.options import MOST_CHANNELS
from mooq.transports.registry import REGISTRY
from mooq.transports.timer import Timer

if TYPE_CHECKING:
    from mooq.amqp.inspection import ByteTap
    from mooq.server.shared_listener import SharedListener

LOOPBACK = "127.0.0.1"
CHANNEL_MAX = 2047  # RabbitMQ's own default


class InMemoryChannel(Channel):
    """A channel of an :class:`InMemoryConnection`."""


class InMemoryConnection(Connection):
    """A connection to an :class:`InMemoryBroker` of this process."""

    channel_class: ClassVar[type[Channel]] = InMemoryChannel

    def _new_transport(self, *nodes: Address) -> Transport:
        return MemoryTransport(*nodes, options=self._options)


class InMemoryBroker(Lifetime):
    """A broker in this process that behaves like RabbitMQ, registered as ``host_port``.

    mooq's own connections find it by that name; it opens no port. :meth:`listen` opens a port for
    other clients, and so does ``with``, for code without an event loop.

    ``users`` maps user names to passwords. ``virtual_hosts`` are the virtual hosts to create.
    ``channel_max`` limits the AMQP channels of a connection, as in RabbitMQ's configuration; mooq
    uses one of them itself, and 0 means AMQP's own limit. ``consumer_timeout`` is the number of
    seconds after which the broker closes the channel of a consumer that has not acknowledged, as in
    RabbitMQ's configuration; the default None sets no limit, whereas RabbitMQ's default is 30
    minutes. ``version`` is the RabbitMQ version to follow: ``"3.10"``, ``"4.0"`` (the default) or
    ``"4.3"``.

    Raises ``TypeError`` and ``ValueError``.
    """

    @keyword_only
    def __init__(
        self,
        *positional: Never,
        host: str,
        port: int,
        users: Mapping[str, str] | None = None,
        virtual_hosts: Iterable[str] = ("/",),
        channel_max: int = CHANNEL_MAX,
        consumer_timeout: float | None = None,
        version: str = DEFAULT,
    ) -> None:
        refuse_positional(positional, "InMemoryBroker(host=…, port=…)")
        self._address = Address(host, port)
        self.host = host
        self.port = port
        self.name: str = self._address.name
        self._users = _check_users({"guest": "guest"} if users is None else users)
        self._virtual_hosts = tuple(
            Address(virtual_host=virtual_host).virtual_host for virtual_host in virtual_hosts
        )
        self._version = _check_version(version)
        self._channel_max = _check_channel_max(channel_max) or MOST_CHANNELS
        self._consumer_timeout = (
            None
            if consumer_timeout is None
            else check_timeout(consumer_timeout, "consumer_timeout")
        )
        self._shared: SharedBroker | None = None
        self._listener: SharedListener | None = None
        self.new_tap: Callable[[], ByteTap] | None = None
        """For test harnesses: return an observer for a client's new connection."""
        if self.name not in REGISTRY.in_memory:  # the running broker there keeps its name
            REGISTRY.register(self)

    async def _begin(self) -> None:
        await self.run()

    async def run(self, is_running: asyncio.Future[None] | None = None) -> None:
        """Start the broker. If it runs, restart it: connections drop, durable data stays.

        ``is_running`` is resolved when the broker accepts connections, which is at once. If another
        broker has the address, both this call and ``is_running`` raise
        :class:`~mooq.BrokerConnectionError`.
        """
        try:
            self._start()
        except BrokerConnectionError as error:
            if is_running is not None and not is_running.done():
                is_running.set_exception(error)
            raise
        if is_running is not None and not is_running.done():
            is_running.set_result(None)

    def _start(self) -> None:
        if self._shared is not None:
            with self._shared.locked() as broker:
                broker.restart()
            return
        if self.name in REGISTRY.in_memory:
            raise BrokerConnectionError(
                f"another in-memory broker is running at {self._address}; close it, or choose "
                "another port",
                transient=False,
            )
        broker = DirectBroker(
            Rules(
                self._users,
                self._virtual_hosts,
                version=self._version,
                now=Timer.clock(),
                clock=Timer.clock,
                time_of_day=_time_of_day,
                consumer_timeout=self._consumer_timeout,
            )
        )
        self._shared = REGISTRY.in_memory[self.name] = SharedBroker(broker, self._channel_max)
        REGISTRY.register(self)

    def listen(self, *, host: str = LOOPBACK, port: int = 0, in_thread: bool | None = None) -> str:
        """Listen for AMQP clients on a TCP port, and return the URL. Calling it again is safe.

        ``port`` 0 chooses a free port. The running event loop serves the clients. With
        ``in_thread`` a thread of the broker does, which clients that block the loop need. None
        chooses the running loop if there is one. Raises ``RuntimeError`` if the broker does not
        run, ``OSError`` if the port is taken, and ``TypeError`` and ``ValueError`` for arguments.
        """
        check_host(host)
        check_port(port, least=0)
        if in_thread is not None:
            check_bool("in_thread", in_thread)
        if self._shared is None:
            raise RuntimeError(
                f"the in-memory broker at {self._address} is not running; call run() first"
            )
        if self._listener is None:
            # Not needed by those who use only mooq's API.
            from mooq.server.shared_listener import SharedListener

            rules = self._shared.broker.rules
            if in_thread is None:
                in_thread = running_loop() is None
            self._listener = SharedListener(
                rules, self._shared.locked, host, port, in_thread=in_thread, new_tap=self.new_tap
            )
        return self.url

    @property
    def url(self) -> str:
        """``amqp://user:password@host:port/virtual_host`` of the port on which it listens.

        Contains the first user and the last virtual host. Raises ``RuntimeError`` if it does not
        listen.
        """
        if self._listener is None:
            raise RuntimeError(
                f"the in-memory broker at {self._address} is not listening; call listen() first"
            )
        username, password = next(iter(self._users.items()))
        where = Address(
            self._listener.host, self._listener.port, username, password, self._virtual_hosts[-1]
        )
        return where.url

    async def read_all(self) -> None:
        """Return when everything that clients sent to the port has been handled."""
        if self._listener is not None:
            await in_loop(self._listener.loop, self._listener.read_all(), "the in-memory broker")

    def __enter__(self) -> Self:
        """Run, and listen in a separate thread."""
        self._start()
        self.listen(in_thread=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End the broker and every connection to it."""
        if self._listener is not None:
            self._listener.close()
        self._end()

    def advance(self, seconds: float) -> None:
        """Go forward in time: messages and queues whose time is up expire at once.

        Raises ``TypeError`` or ``ValueError`` unless the number is positive. Does nothing if the
        broker does not run.
        """
        positive("seconds", seconds)
        if self._shared is not None:
            with self._shared.locked() as broker:
                broker.rules.skip(seconds)
                dispatch_effects(broker.rules)

    def drop_connections(self) -> None:
        """Drop every connection, like a network failure. The broker keeps running.

        Exclusive queues are deleted with their connections, unacknowledged messages are requeued,
        and connections recover by themselves. Does nothing if the broker does not run.
        """
        if self._shared is not None:
            with self._shared.locked() as broker:
                broker.drop_connections()

    async def close(self) -> None:
        """Stop the broker and every connection to it; its queues and messages are deleted."""
        if self._listener is not None:
            await self._listener.aclose()
        self._end()

    def _end(self) -> None:
        self._listener = None
        shared, self._shared = self._shared, None
        if shared is not None:
            del REGISTRY.in_memory[self.name]
            with shared.locked() as broker:
                broker.drop_connections()
                shared.timer.stop()
        REGISTRY.unregister(self)


def _time_of_day() -> int:
    """Return the current time in whole seconds, the resolution of an AMQP timestamp."""
    return int(time())


def _check_users(users: Mapping[str, str]) -> dict[str, str]:
    """Return the users, or raise for one that could not log in."""
    for username, password in users.items():
        try:
            Address(username=username, password=password)
        except (TypeError, ValueError) as error:
            raise type(error)(f"users has a wrong entry: {error}") from error
    return dict(users)


def _check_version(version: str) -> str:
    if version not in VERSIONS:
        raise ValueError(f"version must be one of {', '.join(VERSIONS)}, not {version!r}")
    return version


def _check_channel_max(channel_max: int) -> int:
    if not 0 <= check_int("channel_max", channel_max) <= MOST_CHANNELS:
        raise ValueError(f"channel_max must be between 0 and {MOST_CHANNELS}, not {channel_max}")
    return channel_max
