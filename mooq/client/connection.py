"""A connection, the same for every broker: open, channels, process_events, recovery, close."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Never

from mooq.basics.address import Address
from mooq.client import refusals
from mooq.client.channel import CLOSE_TIMEOUT, Channel
from mooq.client.dispatcher import CallbackTask, Dispatcher
from mooq.client.lifetime import Lifetime
from mooq.client.observer import Observer, observer_of
from mooq.client.options import check_options
from mooq.client.positional import keyword_only, refuse_positional
from mooq.client.reconnection import Reconnection
from mooq.client.recovery import (
    DEFAULT_RECOVERY,
    Recovery,
    check_recovery,
    check_timeout,
)
from mooq.errors import BrokerConnectionError
from mooq.transports.base import Transport
from mooq.transports.event_loops import in_another_loop
from mooq.transports.options import HEARTBEAT
from mooq.transports.registry import REGISTRY, RunningBroker

if TYPE_CHECKING:
    from ssl import SSLContext

CONNECT_TIMEOUT = 10.0  # seconds
CYCLE = 0.1  # seconds

log: logging.Logger = logging.getLogger("mooq.recovery")


class Connection(Lifetime):
    """A connection to one broker, opened by :meth:`connect` or ``async with``.

    ``ssl`` is True or an ``ssl.SSLContext`` for TLS. ``timeout`` is the time limit for connecting
    to a node, in seconds. ``further_nodes`` are other nodes of the same broker, for failover.
    ``recovery`` configures how a lost connection is restored. The other options are those of
    :func:`mooq.connect`. Raises ``TypeError`` and ``ValueError`` for arguments.
    """

    channel_class: ClassVar[type[Channel]]

    @keyword_only
    def __init__(
        self,
        *positional: Never,
        host: str,
        port: int,
        username: str = "guest",
        password: str = "guest",  # noqa: S107 - RabbitMQ's own default
        virtual_host: str = "/",
        ssl: bool | SSLContext | None = None,
        timeout: float = CONNECT_TIMEOUT,
        further_nodes: Iterable[Address] = (),
        recovery: Recovery = DEFAULT_RECOVERY,
        heartbeat: int = HEARTBEAT,
        channel_max: int = 0,
        client_name: str | None = None,
        client_properties: Mapping[str, Any] | None = None,
    ) -> None:
        refuse_positional(positional, "connect(host, port), or name every argument")
        first = Address(host, port, username, password, virtual_host, ssl)
        self._nodes = (first, *further_nodes)
        self._recovery = check_recovery(recovery)
        self._reconnection = Reconnection(
            recovery, lambda: self._address, self._report_loss, self._restore
        )
        self._timeout = check_timeout(timeout)
        self._options = check_options(heartbeat, channel_max, client_name, client_properties)
        self._dispatcher = Dispatcher()
        self._observer = observer_of(virtual_host)
        self._transport: Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channels: list[Channel] = []
        self._opening = 0  # channels that are not among them yet
        self._closed = False

    @abstractmethod
    def _new_transport(self, *nodes: Address) -> Transport:
        """Return the transport for this kind of broker, not yet open."""

    @property
    def host(self) -> str:
        """The host of the current node."""
        return self._address.host

    @property
    def port(self) -> int:
        """The port of the current node."""
        return self._address.port

    @property
    def _address(self) -> Address:
        return self._nodes[0] if self._transport is None else self._transport.address

    async def _begin(self) -> None:
        if self._transport is None:
            await self.connect()

    async def connect(self) -> None:
        """Connect to the broker. Connecting twice is safe.

        Raises :class:`~mooq.BrokerConnectionError` if nothing listens there, the host is unknown,
        the login or virtual host is refused, there is no answer, or the peer is not RabbitMQ. The
        text says which.
        """
        self._check_not_closed()
        self._enter()
        if self._transport is None:
            transport = self._observed_transport()
            await transport.open(self._timeout)
            if self._closed or self._transport is not None:  # by others, meanwhile
                await transport.close()
                self._check_not_closed()
                return
            transport.on_lost = self._lost
            self._transport = transport
            self._loop = asyncio.get_running_loop()

    def _observed_transport(self) -> Transport:
        return self._observer.observe(self._new_transport(*self._nodes), self._dispatcher)

    def _enter(self) -> None:
        """Move to this event loop; raise ``RuntimeError`` unless the old one is closed."""
        loop = asyncio.get_running_loop()
        if self._transport is None or self._loop is None or loop is self._loop:
            return
        if not self._loop.is_closed():
            raise in_another_loop(f"this connection to {self._address}", self._loop)
        self._transport.abandon()
        self._dispatcher.begin_anew()
        self._reconnection.begin_anew()
        self._loop = loop
        self._transport = self._observed_transport()
        self._transport.on_lost = self._lost
        for channel in self._channels:
            channel.move(self._transport.channel(), loop)

    async def create_channel(self) -> Channel:
        """Return a new channel.

        Waits up to 30 seconds for a lost connection. Raises :class:`~mooq.BrokerConnectionError` if
        it stays lost, or if the connection has as many channels as the broker allows: its
        ``channel_max``, 2047 by default, less one that mooq uses itself.
        """
        transport = self._connected()
        self._channels = [other for other in self._channels if not other.has_ended]
        most = transport.channel_max
        if most and len(self._channels) + self._opening >= most - refusals.OWN_CHANNELS:
            raise refusals.of_another_channel(most, self._address)
        internal = transport.channel()
        channel = self.channel_class(
            internal_chan=internal,
            loop=asyncio.get_running_loop(),
            dispatcher=self._dispatcher,
            recover=self._recover,
            recovery=self._recovery,
            enter=self._enter,
        )
        self._opening += 1
        try:
            await channel.open()
        finally:
            self._opening -= 1
        self._channels.append(channel)
        return channel

    @keyword_only
    def get_broker(self, *positional: Never, host: str, port: int) -> RunningBroker:
        """Return the in-memory broker that this process runs at an address.

        Raises :class:`~mooq.BrokerConnectionError` if there is none.
        """
        refuse_positional(positional, "get_broker(host=…, port=…)")
        return REGISTRY.find(host, port)

    async def process_events(self, num_cycles: int | Literal["inf"] | None = None) -> None:
        """Run the callbacks of all consumers for the messages that arrive.

        Without ``num_cycles``, or with ``"inf"``, it runs until it is cancelled or the connection
        is closed. Exceptions in callbacks are logged. A lost connection is restored with its
        channels, producers and consumers.

        With a positive number as ``num_cycles``, it runs that many cycles. Each cycle waits up to
        0.1 seconds for a message, then starts a callback for everything that has arrived. It
        returns when those callbacks are done. If one of them raised, it raises the exception; if
        several did, an ``ExceptionGroup``. One cycle after an awaited publish always finds the
        message.

        Raises :class:`~mooq.BrokerConnectionError` if the connection cannot be restored.
        """
        check_num_cycles(num_cycles)
        self._connected()
        if num_cycles is None or num_cycles == "inf":
            await self._process_until_closed()
        else:
            started: list[CallbackTask] = []
            for _ in range(num_cycles):
                if not await self._is_there():
                    break
                started += await self._cycle()
            await raise_failures(started, self._observer)

    async def _process_until_closed(self) -> None:
        while await self._is_there():
            await self._dispatcher.wait()
            self._dispatcher.start_all()

    async def _is_there(self) -> bool:
        """Wait until the connection is restored; return False if this one was closed."""
        try:
            await self._recover()
        except BrokerConnectionError:
            if not self._closed:
                raise
        return not self._closed

    async def _cycle(self) -> list[CallbackTask]:
        # What was confirmed before this cycle has been sent to the consumers by now.
        for channel in self._channels:
            await channel.flush()
        try:
            async with asyncio.timeout(CYCLE):
                await self._dispatcher.wait()
        except TimeoutError:
            return []
        return self._dispatcher.start_all()

    async def close(self, *, timeout: float = CLOSE_TIMEOUT) -> None:
        """Stop consuming, let running callbacks finish, and disconnect. Closing twice is safe.

        Callbacks have ``timeout`` seconds to finish; their messages are acknowledged. Messages of
        callbacks that were cancelled or not started are requeued. ``process_events()`` returns.
        """
        check_timeout(timeout)
        if self._closed:
            return
        self._enter()
        self._closed = True
        self._dispatcher.wake()
        if self._reconnection.cancel():
            log.warning("the connection to %s was closed while it was recovering", self._address)
        try:
            await asyncio.gather(*(channel.stop_consuming() for channel in self._channels))
            await self._dispatcher.finish(timeout)
            await asyncio.gather(
                *(channel.end() for channel in self._channels if not channel.is_closed)
            )
        finally:
            self._dispatcher.cut_off()
            if self._transport is not None:
                await self._transport.close()

    def _check_not_closed(self) -> None:
        if self._closed:
            raise BrokerConnectionError(
                f"this connection to {self._address} is closed; open another with mooq.connect()",
                transient=False,
            )

    def _connected(self) -> Transport:
        self._check_not_closed()
        if self._transport is None:
            raise BrokerConnectionError(
                f"this connection to {self._address} is not open yet; await its connect() first",
                transient=False,
            )
        self._enter()
        return self._transport

    def _lost(self) -> None:
        self._dispatcher.forget_lost()
        self._dispatcher.wake()
        for channel in self._channels:
            channel.wake()

    def _is_lost(self) -> bool:
        assert self._transport is not None
        return self._transport.is_lost or any(
            channel.is_lost for channel in self._channels if not channel.is_closed
        )

    async def _recover(self) -> None:
        """Return when the connection is restored. All callers wait for the same attempt."""
        self._connected()
        if not self._is_lost():
            return
        await self._reconnection.wait(self._check_not_closed)

    def _report_loss(self) -> None:
        if self._connected().is_lost:
            log.warning(
                "the connection to %s was lost%s; reconnecting",
                self._address,
                self._dispatcher.cause_of_loss(self._options.heartbeat),
            )
        for channel in self._channels:
            if channel.is_lost and channel.closed_by is not None:
                log.warning("%s", channel.report_of_loss())

    async def _restore(self) -> None:
        transport = self._connected()
        everything = transport.is_lost
        if everything:
            await transport.open(self._timeout)
        channels = [channel for channel in self._channels if not channel.is_closed]
        if len(channels) > transport.channel_max - refusals.OWN_CHANNELS:
            raise refusals.of_channels_to_restore(
                len(channels), transport.channel_max, self._address
            )
        for channel in channels:
            if not channel.is_closed and (everything or channel.is_lost):
                await channel.restore()


def check_num_cycles(num_cycles: int | Literal["inf"] | None) -> None:
    """Raise ``TypeError`` or ``ValueError`` for an invalid number of cycles."""
    if num_cycles is None or num_cycles == "inf":
        return
    if not isinstance(num_cycles, int) or isinstance(num_cycles, bool):
        raise TypeError(f"num_cycles must be an int or None, not {type(num_cycles).__name__}")
    if num_cycles < 1:
        raise ValueError(f"num_cycles must be at least 1, not {num_cycles}")


async def raise_failures(started: list[CallbackTask], observer: Observer) -> None:
    """Wait for callbacks to finish; raise their exceptions."""
    if started:
        await asyncio.wait(started)
    failures = [
        failure
        for task in started
        if not task.cancelled() and (failure := task.result()) is not None
    ]
    observer.raised(failures)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup(f"{len(failures)} callbacks failed", failures)
