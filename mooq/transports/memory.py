"""The asyncio transport to the in-memory broker.

The broker completes each operation within the call, so no method here waits, and a cancelled
caller leaves nothing half done. Every few publishes, other tasks get to run, so that a service
that publishes in a loop does not starve its own consumers.

Several threads, each with an event loop, may share a broker. They call it one at a time.
Deliveries for a connection are passed to its event loop.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError, Lost, Refused
from mooq.transports.base import Receiver, TransportChannel
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.direct import DirectChannel, DirectConnection
from mooq.transports.failover import NodesTransport
from mooq.transports.mailbox import Mailbox, SharedBroker
from mooq.transports.message import Delivery, Message, Outcome
from mooq.transports.options import DEFAULT_OPTIONS, ConnectionOptions
from mooq.transports.registry import REGISTRY

P = ParamSpec("P")
T = TypeVar("T")

PUBLISHES_A_TURN = 32


class Link:
    """A connection to a broker, and the event loop in which it is used."""

    __slots__ = ("connection", "loop", "mailbox", "shared")

    def __init__(self, shared: SharedBroker, address: Address, dropped: Callable[[], None]) -> None:
        self.shared: SharedBroker = shared
        self.loop: AbstractEventLoop = asyncio.get_running_loop()
        self.mailbox: Mailbox = Mailbox(self.loop, self.close)

        with shared.locked() as broker:
            self.connection: DirectConnection = broker.connect(
                address.virtual_host,
                address.username,
                address.password,
                partial(self.tell, dropped),
            )
            shared.timer.set()

    def tell(self, call: Callable[[], None]) -> None:
        """Make a call in the connection's loop: at once if that loop is calling."""
        if self.shared.caller is self.loop:
            call()
        else:
            self.mailbox.post(call)

    def close(self) -> None:
        """Close the connection, if it is open."""
        with self.shared.locked():
            if self.connection.is_open:
                self.connection.close()

    def drop(self) -> None:
        """Drop the connection, if it is open, like a network failure."""
        with self.shared.locked():
            if self.connection.is_open:
                self.connection.close()
                self.connection.dropped()


class MemoryTransport(NodesTransport):
    """One connection to the in-memory broker that listens at an address of this process."""

    def __init__(self, *nodes: Address, options: ConnectionOptions = DEFAULT_OPTIONS) -> None:
        super().__init__(*nodes)
        self._options = options
        self._link: Link | None = None

    @property
    def is_lost(self) -> bool:
        return self._link is None or not self._link.connection.is_open

    @property
    def channel_max(self) -> int:
        if self._link is None:
            return 0
        return self._options.channels_of(self._link.shared.channel_max)

    async def _open(self, timeout: float) -> None:
        address = self.address
        shared = REGISTRY.in_memory.get(address.name)
        if shared is None:
            raise BrokerConnectionError.no_broker_in_memory(address)
        try:
            self._link = Link(shared, address, self._dropped)
        except Refused as refused:
            if refused.code == Refused.ACCESS_REFUSED:
                raise BrokerConnectionError.login_refused(address) from refused
            raise BrokerConnectionError.no_virtual_host(address) from refused

    def _dropped(self) -> None:
        self.on_lost()

    def drop(self) -> None:
        """Drop the connection, like a network failure."""
        if self._link is not None:
            self._link.drop()

    def abandon(self) -> None:
        if self._link is not None:
            self._link.close()

    def open_channel(self) -> tuple[Link, DirectChannel]:
        """Return the connection and a new channel on it."""
        link = self._link
        if link is None:
            raise Lost("the connection is closed")
        with link.shared.locked():
            if not link.connection.is_open:
                raise Lost("the connection is closed")
            return link, link.connection.channel()

    def channel(self) -> MemoryChannel:
        return MemoryChannel(self, self.open_channel)

    async def close(self) -> None:
        self.abandon()


class MemoryChannel(TransportChannel):
    """A channel, whose methods are plain calls to the broker."""

    def __init__(
        self, transport: MemoryTransport, open_channel: Callable[[], tuple[Link, DirectChannel]]
    ) -> None:
        super().__init__(transport)
        self._open_channel = open_channel
        self._channel: DirectChannel | None = None
        self._closed_by: Refused | None = None
        self._on_reply: Callable[[Delivery], None] | None = None
        self._published = 0

    @property
    def is_lost(self) -> bool:
        return self._channel is not None and not self._channel.is_open

    @property
    def closed_by(self) -> Refused | None:
        return self._closed_by

    async def open(self) -> None:
        self._closed_by = None
        self._link, self._channel = self._open_channel()
        self._channel.on_closed = partial(self._closed, self._link)
        self._shared = self._link.shared
        if (on_reply := self._on_reply) is not None:
            self._on_reply = None
            await self.hear_replies(on_reply)

    async def close(self) -> None:
        if self._channel is not None:
            with self._shared.locked():
                self._channel.close()

    def _ask(
        self, verb: Callable[Concatenate[DirectChannel, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        channel = self._channel
        if channel is None:
            raise Lost("the connection is closed")
        with self._shared.locked():
            if not channel.is_open:
                raise Lost("the connection is closed")
            return verb(channel, *args, **kwargs)

    async def declare_exchange(self, exchange: Exchange) -> None:
        self._ask(DirectChannel.declare_exchange, exchange)

    async def has_exchange(self, exchange_name: str) -> bool:
        return self._ask(DirectChannel.has_exchange, exchange_name)

    async def declare_queue(self, queue: Queue) -> str:
        return self._ask(DirectChannel.declare_queue, queue)

    async def delete_queue(self, queue_name: str) -> None:
        self._ask(DirectChannel.delete_queue, queue_name)

    async def count_ready(self, queue_name: str) -> int | None:
        return self._ask(DirectChannel.count_ready, queue_name)

    async def bind(
        self,
        queue_name: str,
        exchange_name: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self._ask(DirectChannel.bind, queue_name, exchange_name, routing_key, arguments)

    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        channel = self._channel
        if channel is None:
            raise Lost("the connection is closed")
        shared = self._shared
        try:
            shared.is_busy = True
            if shared.is_shared:
                shared.is_busy = False
                self._ask(DirectChannel.publish, message, mandatory)
            elif channel.is_open:
                channel.publish(message, mandatory)
            else:
                raise Lost("the connection is closed")
        finally:
            shared.is_busy = False
        self._published += 1
        if self._published % PUBLISHES_A_TURN == 0:
            await asyncio.sleep(0)

    async def hear_replies(self, on_reply: Callable[[Delivery], None]) -> None:
        if self._on_reply is None:
            self._ask(DirectChannel.hear_replies, self._handing_to(on_reply))
            self._on_reply = on_reply

    async def consume(self, queue_name: str, prefetch_count: int, receiver: Receiver) -> str:
        link, shared = self._link, self._shared
        loop, mailbox = link.loop, link.mailbox

        def cancelled() -> None:
            if shared.caller is loop and not mailbox.calls:
                receiver.on_cancel()
            else:
                mailbox.post(receiver.on_cancel)

        deliver = self._handing_to(receiver.on_delivery)
        return self._ask(DirectChannel.consume, queue_name, prefetch_count, deliver, cancelled)

    def _handing_to(self, on_delivery: Callable[[Delivery], None]) -> Callable[[Delivery], None]:
        """Return the function that passes a delivery to the connection's event loop."""
        channel, link, shared = self._channel, self._link, self._shared
        loop, mailbox = link.loop, link.mailbox
        posted = mailbox.calls  # these came first and must stay first

        def deliver(delivery: Delivery) -> None:
            if shared.caller is loop and not posted:
                on_delivery(delivery)
            else:
                mailbox.post(partial(arrive, delivery))

        def arrive(delivery: Delivery) -> None:
            if channel is not None and channel.is_open:  # otherwise it was requeued
                on_delivery(delivery)

        return deliver

    async def cancel(self, consumer_tag: str) -> None:
        self._ask(DirectChannel.cancel, consumer_tag)
        self._link.mailbox.empty()  # deliveries from before the consumer ended

    async def get(self, queue_name: str) -> Delivery | None:
        return self._ask(DirectChannel.get, queue_name)

    def _closed(self, link: Link, refused: Refused) -> None:
        """Store the broker's reason for closing the channel, and notify the connection."""
        self._closed_by = refused
        link.tell(self._transport.on_lost)

    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        channel = self._channel
        if channel is None:
            return
        shared = self._shared
        try:
            shared.is_busy = True
            if shared.is_shared:
                shared.is_busy = False
                with shared.locked():
                    if channel.is_open:
                        channel.settle(delivery.receipt, outcome)
            elif channel.is_open:
                channel.settle(delivery.receipt, outcome)
        finally:
            shared.is_busy = False

    def holds(self, delivery: Delivery) -> bool:
        channel = self._channel
        return channel is not None and channel.is_open and channel.holds(delivery.receipt)

    async def flush(self) -> None:
        """Receive what other threads have sent; everything else arrives within its call."""
        if self._channel is not None:
            self._link.mailbox.empty()
