"""One channel: publish, register producers and consumers, get. Written once for every broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from mooq import refusals
from mooq.codec import check_headers, decode, encode
from mooq.consumer import Callback, Consumer, settle_failure
from mooq.dispatcher import Dispatcher
from mooq.errors import (
    BrokerConnectionError,
    ConsumerQueueNotFound,
    ConsumeTimeout,
    Lost,
    NothingToConsume,
    PublishUnconfirmed,
    Refused,
    Unconfirmed,
)
from mooq.message import (
    JSON_TYPE,
    Delivery,
    Headers,
    IncomingMessage,
    Message,
    Outcome,
    check_message_id,
)
from mooq.retrying import ask_again, check_timeout
from mooq.subscription import Subscription, declare_exchange
from mooq.topology import (
    Exchange,
    Queue,
    check_exchange_name,
    check_prefetch_count,
    check_queue_name,
    check_routing_key,
    check_routing_keys,
)
from mooq.transports.base import TransportChannel

T = TypeVar("T")

ANSWER_TIMEOUT = 30.0  # seconds
CLOSE_TIMEOUT = 10.0


class Channel:
    """A channel of a connection, made by ``connection.create_channel()``.

    Its methods may be called concurrently. After :meth:`close`, also by leaving ``async with``,
    they raise :class:`~mooq.BrokerConnectionError`. While the connection is lost they wait for
    it to come back, at most 30 seconds, and raise the same.
    """

    def __init__(
        self,
        *,
        internal_chan: TransportChannel,
        loop: asyncio.AbstractEventLoop,
        dispatcher: Dispatcher | None = None,
        recover: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._internal = internal_chan
        self._address = internal_chan.address
        self._loop = loop
        self._dispatcher = Dispatcher() if dispatcher is None else dispatcher
        self._recover = self._stay_lost if recover is None else recover
        self._producers: dict[Exchange, None] = {}
        self._subscriptions: list[Subscription] = []
        self._undoing: set[asyncio.Future[None]] = set()
        self._is_restoring = False
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` has been called, on the channel or on its connection."""
        return self._closed

    @property
    def is_lost(self) -> bool:
        """Whether the broker has ended the channel's consumers, and they must be made anew."""
        return self._internal.is_lost or self._is_restoring

    async def register_producer(self, *, exchange_name: str, exchange_type: str) -> None:
        """Declare a durable exchange to publish to; one that exists like this is left as it is.

        ``exchange_type`` is ``"direct"``, ``"fanout"`` or ``"topic"``. Raises
        :class:`~mooq.BadExchange` for a name or type that cannot be used, and for an exchange
        that exists with another type (AMQP 0-9-1 §1.7.2.1).
        """
        self._check_open()
        exchange = Exchange(exchange_name, exchange_type)
        await self._ask(lambda _: declare_exchange(self._internal, exchange))
        self._producers[exchange] = None

    async def register_consumer(
        self,
        queue_name: str | None = None,
        routing_keys: str | Iterable[str] = [""],
        *,
        exchange_name: str,
        exchange_type: str,
        callback: Callback,
        prefetch_count: int = 100,
        dead_letter_exchange: str | None = None,
    ) -> str:
        """Have ``callback`` awaited, under ``process_events()``, for each message of a queue.

        Declares the exchange and the queue and binds them by each of ``routing_keys``; a fanout
        needs none. A ``queue_name`` makes a durable queue, whose consumers take turns; ``None``
        makes one that is exclusive to this channel and gone with it. Returns the queue's name.

        ``callback`` is an async function of one argument, :class:`~mooq.IncomingMessage`. The
        message is acknowledged when it returns. When it raises, the message is delivered once
        more; when it raises again, the message goes to ``dead_letter_exchange``, or is discarded
        and logged. At most ``prefetch_count`` (1 … 65535) messages are unacknowledged at a time.

        Raises :class:`~mooq.BadExchange` and :class:`~mooq.BadQueue` for names, types and
        properties that cannot be used or differ from what exists, ``TypeError`` and
        ``ValueError`` for other arguments. Nothing is registered then.
        """
        self._check_open()
        exchange = Exchange(exchange_name, exchange_type)
        subscription = Subscription(
            exchange,
            Queue.for_consumer(queue_name, dead_letter_exchange),
            check_routing_keys(routing_keys, exchange_type),
            check_prefetch_count(prefetch_count),
            Consumer(callback, self._internal, dead_letter_exchange),
        )
        beginning = asyncio.ensure_future(
            self._ask(lambda _: subscription.begin(self._internal, self._dispatcher))
        )
        try:
            name = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            # A consumer that nobody knows of would take messages: let it begin, and end it.
            self._undo(self._end_once_begun(beginning, subscription))
            raise
        self._subscriptions.append(subscription)
        return name

    async def publish(
        self,
        *,
        exchange_name: str,
        msg: object,
        routing_key: str = "",
        mandatory: bool = False,
        headers: Headers | None = None,
        message_id: str | None = None,
        timeout: float = ANSWER_TIMEOUT,
    ) -> None:
        """Publish a message, and return when the broker has confirmed that it has it.

        ``msg`` is anything that JSON can hold, up to 16 MiB; ``headers`` are described at
        :func:`mooq.codec.check_headers`. Concurrent calls share the channel and keep their
        order. ``mandatory`` makes it an error that no queue is bound for the message. A message
        gets a ``message_id`` of its own unless one is given (up to 255 bytes).

        Ends in one of three ways: confirmed; refused, by :class:`~mooq.ExchangeNotFound`,
        :class:`~mooq.BadExchange`, :class:`~mooq.MessageUnroutable`,
        :class:`~mooq.BrokerInternalError` or :class:`~mooq.BrokerConnectionError`; unknown,
        :class:`~mooq.PublishUnconfirmed`, when ``timeout`` seconds or the connection ended first.
        ``TypeError`` and ``ValueError`` for arguments, before anything is sent.
        """
        self._check_open()
        message = Message(
            encode(msg),
            check_exchange_name(exchange_name),
            check_routing_key(routing_key),
            check_message_id(message_id),
            JSON_TYPE,
            check_headers(headers),
        )
        check_timeout(timeout)
        if not isinstance(mandatory, bool):
            raise TypeError(f"mandatory must be a bool, not {type(mandatory).__name__}")
        try:
            await self._ask(
                lambda seconds: self._internal.publish(message, mandatory, seconds), timeout
            )
        except Refused as refused:
            raise refusals.of_exchange(refused, exchange_name, self._address) from refused
        except Unconfirmed as unconfirmed:
            raise PublishUnconfirmed(
                f"message {message.message_id} to exchange {exchange_name!r} at {self._address} "
                f"was sent but not confirmed ({unconfirmed}); it may have arrived: publish it "
                "again with the same message_id, so that a receiver can tell"
            ) from unconfirmed

    async def get(self, queue_name: str, timeout: float | None = None) -> IncomingMessage:
        """Take one message off a queue, acknowledged, and return it as a callback would get it.

        An empty queue raises :class:`~mooq.NothingToConsume`; with a ``timeout`` in seconds it is
        waited for, and :class:`~mooq.ConsumeTimeout` raised when none came. Raises
        :class:`~mooq.ConsumerQueueNotFound` for a queue that does not exist.
        """
        self._check_open()
        check_queue_name(queue_name)
        if timeout is not None:
            check_timeout(timeout)
        while True:
            delivery = await self._take(queue_name)
            if delivery is None and timeout is not None:
                delivery = await self._wait_for_one(queue_name, timeout)
            if delivery is None:
                place = f"queue {queue_name!r} at {self._address}"
                if timeout is None:
                    raise NothingToConsume(f"{place} is empty; give a timeout to wait")
                raise ConsumeTimeout(f"{place} stayed empty for {timeout:g} s")
            message = await self._accept(delivery, queue_name)
            if message is not None:
                return message

    async def delete_queue(self, queue_name: str) -> None:
        """Delete a queue with its messages; its consumers end. Nothing happens without one.

        Raises :class:`~mooq.BadQueue` for a queue that is exclusive to another connection.
        """
        self._check_open()
        check_queue_name(queue_name)
        await self._ask_of_queue(queue_name, lambda: self._internal.delete_queue(queue_name))

    async def close(self, *, timeout: float = CLOSE_TIMEOUT) -> None:
        """End the channel's consumers and the channel; closing again does nothing.

        Running callbacks may take up to ``timeout`` seconds to finish, and are acknowledged;
        those cut off then, and messages whose callback has not begun, are given back.
        """
        check_timeout(timeout)
        if self._closed:
            return
        self._closed = True
        try:
            await self.stop_consuming()
            await self._dispatcher.finish(timeout, self._internal)
        finally:
            await self._internal.close()

    async def stop_consuming(self) -> None:
        """End the consumers and give back what has arrived for them; running callbacks go on."""
        with contextlib.suppress(Lost):
            for subscription in self._subscriptions:
                await subscription.end(self._internal)
        await self._dispatcher.give_back(self._internal)

    async def restore(self) -> None:
        """Open again after a loss, and register anew what was registered."""
        self._is_restoring = True  # until all of it is: an attempt may be lost half-way
        await self._internal.open()
        for exchange in self._producers:
            await declare_exchange(self._internal, exchange)
        for subscription in self._subscriptions:
            if subscription.tag is not None:
                await subscription.begin(self._internal, self._dispatcher)
        self._is_restoring = False

    async def flush(self) -> None:
        """Return when all that the broker had sent to the channel's consumers has arrived."""
        with contextlib.suppress(Lost):
            await self._internal.flush()

    def _undo(self, request: Coroutine[Any, Any, None]) -> None:
        """Undo, in the background, what was begun for a caller who was cancelled."""
        undoing = asyncio.ensure_future(request)
        self._undoing.add(undoing)
        undoing.add_done_callback(self._undone)

    def _undone(self, undoing: asyncio.Future[None]) -> None:
        self._undoing.discard(undoing)
        if not undoing.cancelled():
            undoing.exception()  # what failed to begin, or was lost, needs no undoing

    async def _end_once_begun(
        self, beginning: asyncio.Future[str], subscription: Subscription
    ) -> None:
        await beginning
        await subscription.end(self._internal)
        await self._dispatcher.give_back(subscription.consumer)

    def _check_open(self) -> None:
        if self._closed:
            raise BrokerConnectionError(
                f"this channel to {self._address} is closed; create another with "
                "connection.create_channel()",
                transient=False,
            )

    async def _stay_lost(self) -> None:
        raise BrokerConnectionError(f"the connection to {self._address} is lost", transient=False)

    async def _ask(
        self, ask: Callable[[float], Awaitable[T]], timeout: float = ANSWER_TIMEOUT
    ) -> T:
        """Return the broker's answer, waiting for a lost connection to come back."""
        deadline = self._loop.time() + timeout
        try:
            return await ask(timeout)
        except Unconfirmed:
            raise
        except Lost:
            return await ask_again(ask, self._recover, self._address, timeout, deadline)

    async def _ask_of_queue(self, queue_name: str, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._ask(lambda _: ask())
        except Refused as refused:
            raise refusals.of_queue(refused, queue_name, self._address) from refused

    async def _take(self, queue_name: str) -> Delivery | None:
        return await self._ask_of_queue(queue_name, lambda: self._internal.get(queue_name))

    async def _wait_for_one(self, queue_name: str, timeout: float) -> Delivery | None:
        """Return the first message that comes within the timeout; None when none does."""
        given_up = self._loop.create_future()
        waiting = asyncio.ensure_future(self._consume_one(queue_name, timeout, given_up))
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            # A message that nobody waits for any more would stay with its consumer.
            given_up.set_result(None)
            self._undo(self._return_once_here(waiting))
            raise

    async def _return_once_here(self, waiting: asyncio.Future[Delivery | None]) -> None:
        delivery = await waiting
        if delivery is not None:
            await self._internal.settle(delivery, Outcome.GIVE_BACK)

    async def _consume_one(
        self, queue_name: str, timeout: float, given_up: asyncio.Future[None]
    ) -> Delivery | None:
        """Return a message by a consumer for just one."""
        arrived: asyncio.Future[Delivery | None] = self._loop.create_future()

        def resolve(delivery: Delivery | None = None) -> None:
            if not arrived.done():
                arrived.set_result(delivery)

        tag = await self._ask_of_queue(
            queue_name, lambda: self._internal.consume(queue_name, 1, resolve, resolve)
        )
        either: list[asyncio.Future[Any]] = [arrived, given_up]
        await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        with contextlib.suppress(Lost):
            await self._internal.cancel(tag)
        if not arrived.done():
            # The consumer does not outlive a lost connection; the queue may.
            return None if given_up.done() else await self._take(queue_name)
        delivery = arrived.result()
        if delivery is None:
            raise ConsumerQueueNotFound(
                f"queue {queue_name!r} at {self._address} was deleted while it was waited on"
            )
        return delivery

    async def _accept(self, delivery: Delivery, queue_name: str) -> IncomingMessage | None:
        """Return a message, acknowledged; None for one that cannot be decoded."""
        try:
            message = decode(delivery)
            await self._internal.settle(delivery, Outcome.ACKNOWLEDGE)
        except ValueError as error:
            await settle_failure(self._internal, delivery, "get", queue_name, None, error)
            return None
        except asyncio.CancelledError:
            await self._internal.settle(delivery, Outcome.GIVE_BACK)
            raise
        return message
