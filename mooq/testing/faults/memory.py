"""The network before a broker in memory: a transport whose requests and answers take a way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from mooq.basics.address import Address
from mooq.basics.wording import in_seconds
from mooq.errors import BrokerConnectionError, Lost, Refused, Unconfirmed
from mooq.testing.arguments import Arguments, arguments_of
from mooq.testing.faults.network import Faults, Kind, Route
from mooq.transports.base import Receiver, TransportChannel
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.failover import NodesTransport
from mooq.transports.memory import MemoryTransport
from mooq.transports.message import Delivery, Message, Outcome
from mooq.transports.options import DEFAULT_OPTIONS, ConnectionOptions
from mooq.transports.registry import REGISTRY

T = TypeVar("T")

_serial = itertools.count(1)


class MemoryRoute(Route):
    """One connection: what is asked travels to the broker, and what it answers back."""

    def __init__(self, faults: Faults, end: Callable[[], None]) -> None:
        super().__init__(faults)
        self._end = end
        self._asking: set[asyncio.Future[Any]] = set()

    def cut(self) -> None:
        self._end()

    def end(self) -> None:
        asyncio.get_running_loop().call_soon(self._end)  # once what has arrived is carried out

    def lose(self) -> None:
        super().lose()
        for answer in self._asking:
            if not answer.done():
                answer.set_exception(Lost("the connection was closed"))

    async def ask(
        self, verb: Callable[[], Coroutine[Any, Any, T]], kind: Kind = Kind.ANSWER, size: int = 0
    ) -> T:
        """Return the broker's answer to a request; one whose caller is cancelled goes on."""
        answer = asyncio.get_running_loop().create_future()
        self._asking.add(answer)
        self.send(
            verb, lambda done: self.to_client.send(lambda: resolve(answer, done), 0, kind), size
        )
        try:
            result: T = await answer
        finally:
            self._asking.discard(answer)
        return result

    def send(
        self,
        verb: Callable[[], Coroutine[Any, Any, T]],
        answered: Callable[[asyncio.Future[T]], None],
        size: int = 0,
    ) -> None:
        """Have the broker carry out a request once it arrives, and ``answered`` called."""

        def arrive() -> None:
            asking = asyncio.ensure_future(verb())
            asking.add_done_callback(answered)
            asking.add_done_callback(_seen)

        self.to_broker.send(arrive, size)


def _seen(done: asyncio.Future[Any]) -> None:
    """Take an error for seen whose answer was lost on its way."""
    if not done.cancelled():
        done.exception()


class Network(NamedTuple):
    """A network before one broker in memory; calling it makes a transport through it."""

    target: Address
    faults: Faults

    def __call__(self, *nodes: Address, options: ConnectionOptions) -> MemoryNetworkTransport:
        return MemoryNetworkTransport(*nodes, options=options)


class MemoryNetworkTransport(NodesTransport):
    """A connection through the network before a node, if there is one."""

    def __init__(self, *nodes: Address, options: ConnectionOptions = DEFAULT_OPTIONS) -> None:
        super().__init__(*nodes)
        self._options = options
        self.inner: MemoryTransport = MemoryTransport(self.address)
        self.known_exchanges: set[str] = set()
        self._leave: Callable[[], None] = lambda: None
        self._route: MemoryRoute | None = None

    @property
    def route(self) -> MemoryRoute:
        """The connection. Raises :class:`Lost` when it has ended."""
        if self._route is None or self._route.to_broker.is_closed:
            raise Lost("the connection is closed")
        return self._route

    @property
    def is_lost(self) -> bool:
        return self.inner.is_lost

    @property
    def channel_max(self) -> int:
        return self.inner.channel_max

    async def _open(self, timeout: float) -> None:
        address = self.address
        network = REGISTRY.new_transports.get(address.name)
        if not isinstance(network, Network):
            network = Network(address, Faults(arguments_of("in_memory", address)))
        target, faults = network
        if faults.has_vanished:
            raise BrokerConnectionError.nothing_listens(address)
        there = replace(address, host=target.host, port=target.port)
        inner = MemoryTransport(there, options=self._options)
        route = MemoryRoute(faults, inner.drop)

        def leave() -> None:
            faults.routes.discard(route)
            route.lose()

        def lost() -> None:
            leave()
            self.on_lost()

        faults.routes.add(route)
        try:
            async with asyncio.timeout(timeout):
                await route.ask(lambda: inner.open(timeout))
        except BaseException as error:
            leave()
            if isinstance(error, TimeoutError):
                raise BrokerConnectionError.no_answer(address, timeout) from error
            raise
        inner.on_lost = lost
        self.inner = inner
        self._route, self._leave = route, leave
        self.known_exchanges = {""}

    def channel(self) -> TransportChannel:
        return MemoryNetworkChannel(self)

    def abandon(self) -> None:
        self.inner.abandon()

    async def close(self) -> None:
        self._leave()
        await self.inner.close()


class MemoryNetworkChannel(TransportChannel):
    """A channel whose verbs travel."""

    def __init__(self, transport: MemoryNetworkTransport) -> None:
        super().__init__(transport)
        self._network = transport
        self._inner = transport.inner.channel()
        self._has_published = False
        self._on_reply: Callable[[Delivery], None] | None = None
        self._preparing = 0

    @property
    def is_lost(self) -> bool:
        return self._inner.is_lost

    @property
    def closed_by(self) -> Refused | None:
        return None

    async def _ask(self, verb: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await self._network.route.ask(verb)

    async def open(self) -> None:
        self._has_published = False
        self._inner = self._network.inner.channel()
        await self._inner.open()
        if self._on_reply is not None:
            await self.hear_replies(self._on_reply)

    async def close(self) -> None:
        await self._inner.close()

    async def declare_exchange(self, exchange: Exchange) -> None:
        await self._ask(lambda: self._inner.declare_exchange(exchange))
        self._network.known_exchanges.add(exchange.name)

    async def has_exchange(self, exchange_name: str) -> bool:
        return await self._ask(lambda: self._inner.has_exchange(exchange_name))

    async def declare_queue(self, queue: Queue) -> str:
        return await self._ask(lambda: self._inner.declare_queue(queue))

    async def delete_queue(self, queue_name: str) -> None:
        await self._ask(lambda: self._inner.delete_queue(queue_name))

    async def count_ready(self, queue_name: str) -> int | None:
        return await self._ask(lambda: self._inner.count_ready(queue_name))

    async def bind(
        self,
        queue_name: str,
        exchange_name: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        await self._ask(lambda: self._inner.bind(queue_name, exchange_name, routing_key, arguments))

    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        """Publish as to RabbitMQ, which is asked first for what is not known to be there."""
        sent = False
        try:
            async with asyncio.timeout(timeout):
                await self._prepare(message.exchange)
                route = self._network.route
                sent = True
                await route.ask(
                    lambda: self._inner.publish(message, mandatory, timeout),
                    Kind.CONFIRM,
                    len(message.body),
                )
        except TimeoutError as error:
            outcome = Unconfirmed if sent else Lost
            raise outcome(f"no answer from the broker within {in_seconds(timeout)}") from error
        except Lost as lost:
            if sent:
                raise Unconfirmed(str(lost)) from lost
            raise
        self._network.known_exchanges.add(message.exchange)
        self._has_published = True

    async def _prepare(self, exchange_name: str) -> None:
        is_known = self._has_published and exchange_name in self._network.known_exchanges
        if is_known and not self._preparing:
            return
        self._preparing += 1  # those that come meanwhile keep their place behind this one
        try:
            await self._ask(self._inner.flush)
        finally:
            self._preparing -= 1

    async def hear_replies(self, on_reply: Callable[[Delivery], None]) -> None:
        to_client = self._network.route.to_client

        def reply(delivery: Delivery) -> None:
            size = len(delivery.message.body)
            to_client.send(lambda: on_reply(delivery), size, Kind.DELIVERY)

        await self._ask(lambda: self._inner.hear_replies(reply))
        self._on_reply = on_reply

    async def consume(self, queue_name: str, prefetch_count: int, receiver: Receiver) -> str:
        to_client = self._network.route.to_client

        def deliver(delivery: Delivery) -> None:
            size = len(delivery.message.body)
            to_client.send(lambda: receiver.on_delivery(delivery), size, Kind.DELIVERY)

        def cancel() -> None:
            to_client.send(receiver.on_cancel, kind=Kind.ANSWER)

        distant = Receiver(deliver, cancel)
        return await self._ask(lambda: self._inner.consume(queue_name, prefetch_count, distant))

    async def cancel(self, consumer_tag: str) -> None:
        await self._ask(lambda: self._inner.cancel(consumer_tag))

    async def get(self, queue_name: str) -> Delivery | None:
        getting = asyncio.ensure_future(self._ask(lambda: self._inner.get(queue_name)))
        try:
            return await asyncio.shield(getting)
        except asyncio.CancelledError:
            getting.add_done_callback(self._give_back)
            raise

    def _give_back(self, getting: asyncio.Future[Delivery | None]) -> None:
        """Requeue the message of a get whose caller is gone."""
        if getting.cancelled() or getting.exception() is not None:
            return
        delivery = getting.result()
        if delivery is not None:
            self._settle(delivery, Outcome.RELEASE)

    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        self._settle(delivery, outcome)

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Send how a delivery ended, which a broker does not answer."""
        with suppress(Lost):  # it was requeued
            self._network.route.send(lambda: self._inner.settle(delivery, outcome), nothing)

    def holds(self, delivery: Delivery) -> bool:
        return self._inner.holds(delivery)

    async def flush(self) -> None:
        await self._ask(self._inner.flush)


def resolve(answer: asyncio.Future[T], done: asyncio.Future[T]) -> None:
    """Give an answer to who waits for it, if anybody still does."""
    failure = done.exception()
    if answer.done():
        return
    if failure is not None:
        answer.set_exception(failure)
    else:
        answer.set_result(done.result())


def nothing(done: asyncio.Future[Any]) -> None:
    """Take note that nobody waits for an answer."""
    done.exception()


@asynccontextmanager
async def network_before(target: Arguments) -> AsyncIterator[Faults]:
    """Put a network before a broker in memory, which is reached by another host's name."""
    there = Address(target["host"], target["port"])
    here = replace(there, host=f"network-{next(_serial)}-before-{there.host}")
    faults = Faults({**target, "host": here.host})
    REGISTRY.new_transports[here.name] = Network(there, faults)
    try:
        yield faults
    finally:
        del REGISTRY.new_transports[here.name]
        faults.cut()
