"""The TCP connections beneath one connection of mooq's, and the control channel.

There are two, so that publishing can never harm consuming. *Consuming* carries control (declare,
bind, get) on one AMQP channel and every consumer; *publishing*, opened by the first publish,
carries messages and their confirms. RabbitMQ closes an AMQP channel to refuse something, and
concurrent publishes to a missing exchange can take their whole TCP connection with them; and
while it is out of memory it reads nothing more from connections that have published.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from mooq.basics.address import Address
from mooq.basics.wording import in_seconds
from mooq.errors import BrokerConnectionError, Lost, Refused
from mooq.transports.options import ConnectionOptions
from mooq.transports.rabbit.answers import (
    GONE,
    answered,
    explain,
    opened,
    to_the_end,
    was_cancelled,
)
from mooq.transports.rabbit.confirming import ConfirmingChannel
from mooq.transports.rabbit.connection import AmqpConnection, close_all
from mooq.transports.rabbit.settling import SettlingChannel

T = TypeVar("T")

CONTROL_TIMEOUT = 30.0  # seconds for any answer but a confirm

log: logging.Logger = logging.getLogger("mooq.publishing")


class ConnectionPair:
    """Two TCP connections to one RabbitMQ, and the exchanges seen to exist there."""

    def __init__(self, on_lost: Callable[[], None], options: ConnectionOptions) -> None:
        self._options = options
        self.known_exchanges: set[str] = set()
        self.channel_max: int = 0
        """The most AMQP channels that a connection may have, as RabbitMQ said last; 0 before."""
        self._address = Address()
        self._on_lost = on_lost
        self._timeout = CONTROL_TIMEOUT
        self._consuming: AmqpConnection | None = None
        self._publishing: AmqpConnection | None = None
        self._publishing_lock = asyncio.Lock()
        self._connecting: set[asyncio.Future[None]] = set()
        self._control: SettlingChannel | None = None
        self._control_lock = asyncio.Lock()
        self._nothing_owed = asyncio.Event()
        self._nothing_owed.set()
        self._is_held_up = False

    @property
    def is_lost(self) -> bool:
        """Whether the consuming connection is not, or no longer, open."""
        return self._consuming is None or self._consuming.is_closed

    async def open(self, address: Address, timeout: float) -> None:
        """Open the consuming connection and the control channel within ``timeout`` seconds."""
        if self._publishing is not None and address != self._address:
            self._publishing.abort()  # it leads to a node that was lost
        self._address = address
        self._timeout = timeout
        self._control = None
        self.known_exchanges = {""}  # the default exchange always exists and cannot be asked for
        deadline = asyncio.get_running_loop().time() + timeout
        consuming = await self._connect("consuming")
        self._consuming = consuming
        self.channel_max = consuming.channel_max
        consuming.amqp.closing.add_done_callback(lambda _: self._closed(consuming))
        try:
            async with asyncio.timeout_at(deadline), self._control_lock:
                self._control = await self.consuming_channel()
        except BaseException as error:
            await self.close()
            if isinstance(error, Refused):
                raise BrokerConnectionError(
                    f"cannot connect to {self._address}: it allows no more channels; close some "
                    f"of other connections, or raise the limit [{error.text}]",
                    transient=False,
                ) from error
            if isinstance(error, (Lost, TimeoutError)):
                why = str(error) or f"no answer within {in_seconds(timeout)}"
                raise BrokerConnectionError(
                    f"cannot connect to {self._address}: it opened no channel ({why})"
                ) from error
            raise

    async def close(self) -> None:
        """Close both, and those that begin; what is unacknowledged goes back to its queue."""
        publishing, self._publishing = self._publishing, None
        consuming, self._consuming = self._consuming, None
        for connecting in self._connecting:
            connecting.cancel()
        await to_the_end(close_all(publishing, consuming))

    def abandon(self) -> None:
        """Hang up both: their event loop is closed, and can do nothing more."""
        for connection in (self._publishing, self._consuming):
            if connection is not None:
                connection.abandon()
        self._publishing = self._consuming = None

    def _closed(self, consuming: AmqpConnection) -> None:
        if self._consuming is consuming:
            self._on_lost()

    async def _connect(self, purpose: str) -> AmqpConnection:
        address = self._address
        connection = AmqpConnection(address, purpose, self._options)
        connecting = asyncio.ensure_future(connection.open())
        self._connecting.add(connecting)
        is_wanted = False
        try:
            async with asyncio.timeout(self._timeout):
                await connecting
        except (OSError, *GONE, aiormq.exceptions.AMQPError) as error:
            raise explain(error, address, self._timeout) from error
        except asyncio.CancelledError as error:
            if was_cancelled():
                raise
            raise Lost("the connection was closed") from error
        else:
            is_wanted = True
            return connection
        finally:
            self._connecting.discard(connecting)
            if not is_wanted and connection.is_open:  # given up in the very instant
                await to_the_end(connection.close())

    async def consuming_channel(self) -> SettlingChannel:
        """Return a new AMQP channel on the consuming connection."""
        if self._consuming is None:
            raise Lost("the connection is closed")
        return await opened(in_time(SettlingChannel.on(self._consuming.amqp)))

    async def publishing_channel(self) -> ConfirmingChannel:
        """Return a new AMQP channel, with confirms, on the publishing connection."""
        async with self._publishing_lock:
            if self.is_lost:
                raise Lost("the connection is closed")
            if self._publishing is None or self._publishing.is_closed:
                try:
                    publishing = await self._connect("publishing")
                except BrokerConnectionError as error:
                    raise Lost(str(error)) from error
                if self.is_lost:
                    await close_all(publishing)
                    raise Lost("the connection was closed meanwhile")
                self._publishing = publishing
            return await opened(ConfirmingChannel.on(self._publishing.amqp))

    @property
    def take_no_more(self) -> bool:
        """Whether publishers must wait, for :meth:`room`."""
        publishing = self._publishing
        return publishing is not None and (publishing.is_blocked or publishing.is_full)

    async def room(self) -> None:
        """Return when RabbitMQ reads what is published, and the network has room for more.

        The first to wait says so in the log, and the first to go on.
        """
        while self.take_no_more:
            assert self._publishing is not None
            if not self._is_held_up:
                self._is_held_up = True
                log.warning("publishing to %s waits: %s", self._address, self.hindrance)
            await self._publishing.drain()
        if self._is_held_up:
            self._is_held_up = False
            log.info("publishing to %s goes on", self._address)

    @property
    def hindrance(self) -> str:
        """Why publishers wait."""
        if self._publishing is not None and self._publishing.is_blocked:
            return "the broker is low on memory or disk, and its alarm blocks the connection"
        return "the network or the broker does not take what was sent"

    async def control(self, request: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        """Return RabbitMQ's answer to a request on the control channel.

        When the caller is cancelled the request goes on, or aiormq would close the channel.
        A refusal closes it all the same; the next request opens another.
        """
        return await to_the_end(answered(in_time(self._control_request(request))))

    async def _control_request(self, request: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        async with self._control_lock:
            if self._control is None or self._control.is_closed:
                self._control = await self.consuming_channel()
                self._nothing_owed.set()
            await self._nothing_owed.wait()
            return await answered(request(self._control))

    async def get(self, queue_name: str) -> DeliveredMessage:
        """Return the answer to basic.get. With a message, control waits until it is settled.

        The next request might be refused, and the acknowledgement lost with the channel.
        """

        async def ask(channel: AbstractChannel) -> DeliveredMessage:
            arrived = await channel.basic_get(queue_name)
            if not isinstance(arrived.delivery, Basic.GetEmpty):
                self._nothing_owed.clear()
            return arrived

        return await self.control(ask)

    def settled(self, channel: SettlingChannel) -> None:
        """Let control go on, if it was on its channel that a message was settled."""
        if channel is self._control:
            channel.write_out()
            self._nothing_owed.set()

    async def has_exchange(self, name: str) -> bool:
        """Whether an exchange exists, asked anew each time: others may delete it."""
        self.forget_exchange(name)
        try:
            await self.verify_exchange(name)
        except Refused as refused:
            if refused.code != Refused.NOT_FOUND:
                raise
            return False
        return True

    def forget_exchange(self, name: str) -> None:
        """Ask for an exchange again before the next publish; the default one always exists."""
        if name:
            self.known_exchanges.discard(name)

    async def verify_exchange(self, name: str) -> None:
        """Make sure that an exchange exists, or raise :class:`Refused`; ask for each once."""
        if name not in self.known_exchanges:
            await self.control(lambda channel: channel.exchange_declare(name, passive=True))
            self.known_exchanges.add(name)


async def in_time(request: Awaitable[T]) -> T:
    """Return the answer to a request, or raise ``TimeoutError``: a stalled peer says nothing."""
    async with asyncio.timeout(CONTROL_TIMEOUT):
        return await request
