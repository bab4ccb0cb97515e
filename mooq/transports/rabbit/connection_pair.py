"""The two TCP connections of a mooq connection, and the control channel.

There are two so that publishing cannot disturb consuming. *Consuming* carries every consumer, and
the control requests (declare, bind, get) on one AMQP channel. *Publishing*, opened by the first
publish, carries messages and their confirms. RabbitMQ refuses by closing an AMQP channel, and
concurrent publishes to a missing exchange can close their whole TCP connection. While RabbitMQ is
out of memory, it stops reading from connections that have published.
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
    controlled,
    explain,
    opened,
    to_the_end,
    was_cancelled,
)
from mooq.transports.rabbit.confirm_channel import ConfirmChannel
from mooq.transports.rabbit.connection import AmqpConnection, close_all
from mooq.transports.rabbit.consumer_channel import ConsumerChannel

T = TypeVar("T")

CONTROL_TIMEOUT = 30.0  # seconds to wait for any answer except a confirm

log: logging.Logger = logging.getLogger("mooq.publishing")


class ConnectionPair:
    """Two TCP connections to one RabbitMQ, and the exchanges known to exist there."""

    def __init__(self, on_lost: Callable[[], None], options: ConnectionOptions) -> None:
        self._options = options
        self.known_exchanges: set[str] = set()
        self.channel_max: int = 0
        """The maximum number of AMQP channels, as RabbitMQ said last; 0 before."""
        self._address = Address()
        self._on_lost = on_lost
        self._timeout = CONTROL_TIMEOUT
        self._consuming: AmqpConnection | None = None
        self._publishing: AmqpConnection | None = None
        self._publishing_lock = asyncio.Lock()
        self._connecting: set[asyncio.Future[None]] = set()
        self._control: ConsumerChannel | None = None
        self._control_lock = asyncio.Lock()
        self._is_settled = asyncio.Event()
        self._is_settled.set()
        self._is_held_up = False

    @property
    def is_lost(self) -> bool:
        """Whether the consuming connection is closed or not open yet."""
        return self._consuming is None or self._consuming.is_closed

    async def open(self, address: Address, timeout: float) -> None:
        """Open the consuming connection and the control channel within ``timeout`` seconds."""
        if self._publishing is not None and address != self._address:
            self._publishing.abort()  # it belongs to a lost node
        self._address = address
        self._timeout = timeout
        self._control = None
        self.known_exchanges = {""}  # the default exchange always exists and cannot be checked
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
                    f"on other connections, or raise the limit [{error.text}]",
                    transient=False,
                ) from error
            if isinstance(error, (Lost, TimeoutError)):
                why = str(error) or f"no answer within {in_seconds(timeout)}"
                raise BrokerConnectionError(
                    f"cannot connect to {self._address}: it did not open a channel ({why})"
                ) from error
            raise

    async def close(self) -> None:
        """Close both, even if they are still opening; unacknowledged messages are requeued."""
        publishing, self._publishing = self._publishing, None
        consuming, self._consuming = self._consuming, None
        for connecting in self._connecting:
            connecting.cancel()
        await to_the_end(close_all(publishing, consuming))

    def abandon(self) -> None:
        """Close both sockets: their event loop is closed."""
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
            if not is_wanted and connection.is_open:  # cancelled just as it opened
                await to_the_end(connection.close())

    async def consuming_channel(self) -> ConsumerChannel:
        """Return a new AMQP channel on the consuming connection."""
        if self._consuming is None:
            raise Lost("the connection is closed")
        return await opened(in_time(ConsumerChannel.on(self._consuming.amqp)))

    async def publishing_channel(self) -> ConfirmChannel:
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
            return await opened(ConfirmChannel.on(self._publishing.amqp))

    @property
    def take_no_more(self) -> bool:
        """Whether publishers must wait, for :meth:`room`."""
        publishing = self._publishing
        return publishing is not None and (publishing.is_blocked or publishing.is_full)

    async def room(self) -> None:
        """Return when RabbitMQ is reading publishes and the network has room for more.

        The first caller that waits logs it, and so does the first that continues.
        """
        while self.take_no_more:
            assert self._publishing is not None
            if not self._is_held_up:
                self._is_held_up = True
                log.warning("publishing to %s is blocked: %s", self._address, self.hindrance)
            await self._publishing.drain()
        if self._is_held_up:
            self._is_held_up = False
            log.info("publishing to %s continues", self._address)

    @property
    def hindrance(self) -> str:
        """The reason why publishers wait."""
        if self._publishing is not None and self._publishing.is_blocked:
            return "the broker is low on memory or disk, and its alarm blocks the connection"
        return "the network or the broker is not accepting data"

    async def control(self, request: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        """Return RabbitMQ's answer to a request on the control channel.

        If the caller is cancelled, the request continues, because aiormq would close the channel. A
        refusal closes the channel anyway; the next request opens another.
        """
        return await to_the_end(controlled(in_time(self._control_request(request))))

    async def _control_request(self, request: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        async with self._control_lock:
            if self._control is None or self._control.is_closed:
                self._control = await self.consuming_channel()
                self._is_settled.set()
            await self._is_settled.wait()
            return await answered(request(self._control))

    async def get(self, queue_name: str) -> DeliveredMessage:
        """Return the reply to basic.get. If it is a message, control waits until it is settled.

        Otherwise a refusal of the next request would close the channel and lose the
        acknowledgement.
        """

        async def ask(channel: AbstractChannel) -> DeliveredMessage:
            arrived = await channel.basic_get(queue_name)
            if not isinstance(arrived.delivery, Basic.GetEmpty):
                self._is_settled.clear()
            return arrived

        return await self.control(ask)

    def settled(self, channel: ConsumerChannel) -> None:
        """Let control continue, if a message was settled on its channel."""
        if channel is self._control:
            channel.write_out()
            self._is_settled.set()

    async def has_exchange(self, name: str) -> bool:
        """Return whether an exchange exists. Asks every time, because others may delete it."""
        self.forget_exchange(name)
        try:
            await self.verify_exchange(name)
        except Refused as refused:
            if refused.code != Refused.NOT_FOUND:
                raise
            return False
        return True

    def forget_exchange(self, name: str) -> None:
        """Check an exchange again before the next publish; the default exchange always exists."""
        if name:
            self.known_exchanges.discard(name)

    async def verify_exchange(self, name: str) -> None:
        """Check once that an exchange exists, or raise :class:`Refused`."""
        if name not in self.known_exchanges:
            await self.control(lambda channel: channel.exchange_declare(name, passive=True))
            self.known_exchanges.add(name)


async def in_time(request: Awaitable[T]) -> T:
    """Return the answer to a request, or raise ``TimeoutError`` if the peer does not answer."""
    async with asyncio.timeout(CONTROL_TIMEOUT):
        return await request
