"""The names of 2017 for the broker in memory, and that broker as a thing to run and close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import time
from typing import TYPE_CHECKING, ClassVar, Never, Self

from mooq.basics.address import Address
from mooq.basics.numbers import positive
from mooq.broker.broker import Broker as Rules
from mooq.broker.outbox import hand_on
from mooq.broker.versions import VERSIONS
from mooq.client.channel import Channel
from mooq.client.connection import Connection
from mooq.client.lifetime import Lifetime
from mooq.client.positional import keyword_only, refuse_positional
from mooq.client.properties import check_int
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
    from mooq.amqp.sightings import ByteTap
    from mooq.server.doors import Door

LOOPBACK = "127.0.0.1"
CHANNEL_MAX = 2047  # RabbitMQ's own default
VERSION = "4.0"


class InMemoryChannel(Channel):
    """A channel of an :class:`InMemoryConnection`."""


class InMemoryConnection(Connection):
    """A connection to an :class:`InMemoryBroker` of this process."""

    channel_class: ClassVar[type[Channel]] = InMemoryChannel

    def _new_transport(self, *nodes: Address) -> Transport:
        return MemoryTransport(*nodes, options=self._options)


class InMemoryBroker(Lifetime):
    """A broker in this process that behaves as RabbitMQ does, registered as ``host_port``.

    Connections of mooq's find it by that name; no port is opened. :meth:`listen` opens one for
    clients of every kind, and so does ``with``, for code without an event loop.

    ``users`` maps user names to passwords, ``virtual_hosts`` are the names to connect to.
    ``channel_max`` is the most AMQP channels that a connection may have, 0 for no limit but that of
    AMQP, as in RabbitMQ's configuration; mooq uses one of them itself. ``consumer_timeout`` is the
    most seconds that a callback may take before the broker closes its channel, as in RabbitMQ's
    configuration; None, the default, sets no limit, where RabbitMQ's own is 30 minutes.
    ``version`` is the RabbitMQ that it behaves as: ``"3.10"``, ``"4.0"`` or ``"4.3"``.

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
        version: str = VERSION,
    ) -> None:
        refuse_positional(positional, "InMemoryBroker(host=…, port=…)")
        self._address = Address(host, port)
        self.host = host
        self.port = port
        self.name: str = self._address.name
        self._users = {"guest": "guest"} if users is None else dict(users)
        self._virtual_hosts = tuple(virtual_hosts)
        self._version = _check_version(version)
        self._channel_max = _check_channel_max(channel_max) or MOST_CHANNELS
        self._consumer_timeout = (
            None
            if consumer_timeout is None
            else check_timeout(consumer_timeout, "consumer_timeout")
        )
        self._listener: SharedBroker | None = None
        self._door: Door | None = None
        self.new_tap: Callable[[], ByteTap] | None = None
        """For a harness: returns what looks on a client's connection that begins."""
        if self.name not in REGISTRY.in_memory:  # the broker that runs there keeps its name
            REGISTRY.register(self)

    async def _begin(self) -> None:
        await self.run()

    async def run(self, is_running: asyncio.Future[None] | None = None) -> None:
        """Start the broker; restart it if it runs: connections drop, what is durable stays.

        ``is_running`` is resolved when connections are taken, which is at once. Raises
        :class:`~mooq.BrokerConnectionError`, here and there, when another broker has the address.
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
        if self._listener is not None:
            with self._listener.held() as broker:
                broker.restart()
            return
        if self.name in REGISTRY.in_memory:
            raise BrokerConnectionError(
                f"another in-memory broker runs at {self._address}; close it, or choose another "
                "port",
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
        self._listener = REGISTRY.in_memory[self.name] = SharedBroker(broker, self._channel_max)
        REGISTRY.register(self)

    def listen(self, *, host: str = LOOPBACK, port: int = 0, in_thread: bool | None = None) -> str:
        """Let AMQP clients in at a TCP port; return the URL. Once it listens, only that is done.

        ``port`` 0 is one that is free. The clients are served in the running event loop, or with
        ``in_thread`` in a thread of the broker's own, which clients need that block the loop. None
        chooses the running loop if there is one. Raises ``RuntimeError`` for a broker that does
        not run, and ``OSError`` for a port that is taken.
        """
        if self._listener is None:
            raise RuntimeError(
                f"the in-memory broker at {self._address} does not run; run it first"
            )
        if self._door is None:
            from mooq.server.doors import Door  # not needed by those who use mooq's API alone

            rules = self._listener.broker.rules
            if in_thread is None:
                in_thread = running_loop() is None
            self._door = Door(
                rules, self._listener.held, host, port, in_thread=in_thread, new_tap=self.new_tap
            )
        return self.url

    @property
    def url(self) -> str:
        """``amqp://user:password@host:port/virtual_host`` of the port that it listens at.

        With the first user and the last virtual host. Raises ``RuntimeError`` where it does not
        listen.
        """
        if self._door is None:
            raise RuntimeError(
                f"the in-memory broker at {self._address} listens at no port; call listen() first"
            )
        username, password = next(iter(self._users.items()))
        where = Address(
            self._door.host, self._door.port, username, password, self._virtual_hosts[-1]
        )
        return where.url

    async def read_all(self) -> None:
        """Return when everything that clients had sent to its port has been dealt with."""
        if self._door is not None:
            await in_loop(self._door.loop, self._door.read_all(), "the in-memory broker")

    def __enter__(self) -> Self:
        """Run, and listen in a thread of its own."""
        self._start()
        self.listen(in_thread=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End the broker and every connection to it."""
        if self._door is not None:
            self._door.close()
        self._end()

    def advance(self, seconds: float) -> None:
        """Go forward in time: messages and queues whose time has come expire at once.

        Raises ``ValueError`` for a number that is not above 0. Nothing happens to a broker that
        does not run.
        """
        positive("seconds", seconds)
        if self._listener is not None:
            with self._listener.held() as broker:
                broker.rules.skip(seconds)
                hand_on(broker.rules)

    def drop_connections(self) -> None:
        """End every connection without a word, as a broken network does; the broker goes on.

        Exclusive queues go with their connections, what was delivered and not acknowledged is
        requeued, and connections come back by themselves. Nothing happens to a broker that does
        not run.
        """
        if self._listener is not None:
            with self._listener.held() as broker:
                broker.drop_connections()

    async def close(self) -> None:
        """End the broker and every connection to it; its queues and messages are gone."""
        if self._door is not None:
            await self._door.aclose()
        self._end()

    def _end(self) -> None:
        self._door = None
        listener, self._listener = self._listener, None
        if listener is not None:
            del REGISTRY.in_memory[self.name]
            with listener.held() as broker:
                broker.drop_connections()
                listener.timer.stop()
        REGISTRY.unregister(self)


def _time_of_day() -> int:
    """Return the time of day in whole seconds, as an AMQP timestamp holds it."""
    return int(time())


def _check_version(version: str) -> str:
    if version not in VERSIONS:
        raise ValueError(f"version must be one of {', '.join(VERSIONS)}, not {version!r}")
    return version


def _check_channel_max(channel_max: int) -> int:
    if not 0 <= check_int("channel_max", channel_max) <= MOST_CHANNELS:
        raise ValueError(f"channel_max must be between 0 and {MOST_CHANNELS}, not {channel_max}")
    return channel_max
