"""One channel: publish, register producers and consumers, get. Written once for every broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Never, TypeVar

from mooq.client import refusals
from mooq.client.consumer import AnyCallback, Consumer
from mooq.client.declaring import check_arguments
from mooq.client.dispatcher import Dispatcher
from mooq.client.get import Getter
from mooq.client.positional import keyword_only, refuse_positional
from mooq.client.properties import check_bool
from mooq.client.publishing import Publishing
from mooq.client.recovery import DEFAULT_RECOVERY, Recovery, check_timeout
from mooq.client.requests import ANSWER_TIMEOUT, Requests, goodbye
from mooq.client.retries import Retries
from mooq.client.retry import Retry, check_retry
from mooq.client.subscription import Source, Subscription
from mooq.errors import Lost, MooqError, Refused
from mooq.transports.base import TransportChannel
from mooq.transports.declarations import (
    Exchange,
    Queue,
    check_prefetch_count,
    check_queue_name,
    check_routing_keys,
)
from mooq.transports.message import IncomingMessage

T = TypeVar("T")

log: logging.Logger = logging.getLogger("mooq.consumers")

CLOSE_TIMEOUT = 10.0
_DEFAULT_ROUTING_KEYS = [""]


class Channel(Publishing):
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
        recovery: Recovery = DEFAULT_RECOVERY,
        enter: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._internal = internal_chan
        self._dispatcher = Dispatcher() if dispatcher is None else dispatcher
        self._requests = Requests(internal_chan, loop, recover, recovery, enter)
        self._getter = Getter(internal_chan, self._requests)
        self._subscriptions: list[Subscription] = []
        self._is_restoring = False
        self._is_closing = False
        self.has_ended: bool = False
        """Whether it has ended at the broker too, and takes none of the connection's channels."""

    async def open(self) -> None:
        """Open at the broker, waiting for a lost connection."""
        await self._requests.ask(lambda _: self._internal.open(), ANSWER_TIMEOUT)

    @property
    def is_closed(self) -> bool:
        """Whether :meth:`close` has been called, on the channel or on its connection."""
        return self._is_closing

    @property
    def is_lost(self) -> bool:
        """Whether the broker has ended the channel's consumers, and they must be made anew."""
        return self._internal.is_lost or self._is_restoring

    @keyword_only
    async def register_producer(
        self, *positional: Never, exchange_name: str, exchange_type: str
    ) -> None:
        """Declare a durable exchange to publish to; one that exists like this is left as it is.

        ``exchange_type`` is ``"direct"``, ``"fanout"``, ``"topic"`` or ``"headers"``. Raises
        :class:`~mooq.BadExchange` for a name or type that cannot be used, and for an exchange
        that exists with another type (AMQP 0-9-1 §1.7.2.1).
        """
        refuse_positional(positional, "register_producer(exchange_name=…, exchange_type=…)")
        await self.declare_exchange(exchange_name, exchange_type)

    async def register_consumer(
        self,
        queue_name: str | None = None,
        routing_keys: str | Iterable[str] = _DEFAULT_ROUTING_KEYS,
        *,
        exchange_name: str,
        exchange_type: str,
        callback: AnyCallback,
        prefetch_count: int = 100,
        dead_letter_exchange: str | None = None,
        undecodable_as_bytes: bool = False,
        queue_arguments: Mapping[str, Any] | None = None,
        binding_arguments: Mapping[str, Any] | None = None,
        replies: bool = False,
        manual: bool = False,
        retry: Retry | None = None,
    ) -> str:
        """Have ``callback`` awaited, under ``process_events()``, for each message of a queue.

        Declares the exchange and the queue and binds them by each of ``routing_keys``. A fanout
        needs none, a direct exchange uses ``""`` unless told otherwise, a topic needs one. A
        ``queue_name`` makes a durable queue, whose consumers take turns; ``None`` makes one that
        is exclusive to this channel and gone with it. Returns the queue's name.

        ``callback`` is an async function of one argument, :class:`~mooq.IncomingMessage`. The
        message is acknowledged when it returns. When it raises, the message is delivered once
        more; when it raises again, the message goes to ``dead_letter_exchange``, or is discarded
        and logged. At most ``prefetch_count`` (1 … 65535) messages are unacknowledged at a time.
        A body that is not what its content type says is a failure too, unless
        ``undecodable_as_bytes`` is True: then ``msg`` is the bytes.

        ``queue_arguments`` are RabbitMQ's for the queue, such as those of
        :func:`mooq.queue_arguments`; a headers exchange needs ``binding_arguments``, described at
        :meth:`~mooq.Channel.bind_queue`. :meth:`~mooq.Channel.consume` takes a queue as it is.

        With ``replies`` what the callback returns is published, as JSON and with the message's
        ``correlation_id``, to the queue that its ``reply_to`` names, if it names one; the message
        is acknowledged after that.

        With ``manual`` the callback is given a second argument, a :class:`~mooq.ManualDelivery`,
        and settles the message by it, then or later. With a ``retry``, a :class:`~mooq.Retry`, a
        message whose callback fails is tried again after a while, and parked in the end.

        Raises :class:`~mooq.BadExchange` and :class:`~mooq.BadQueue` for names, types and
        properties that cannot be used or differ from what exists,
        :class:`~mooq.ExchangeNotFound` for a dead-letter exchange that nobody declared yet,
        ``TypeError`` and ``ValueError`` for other arguments. Nothing is registered then; the
        exchange, which others may use as well by now, stays declared.
        """
        self._requests.check_open()
        exchange = Exchange(exchange_name, exchange_type)
        keys = check_routing_keys(
            routing_keys, exchange, is_given=routing_keys is not _DEFAULT_ROUTING_KEYS
        )
        queue = Queue.for_consumer(
            queue_name, dead_letter_exchange, check_arguments("queue_arguments", queue_arguments)
        )
        table = check_arguments("binding_arguments", binding_arguments)
        source = Source(queue, exchange, keys, table)
        consumer = self._consumer(source, callback, undecodable_as_bytes, replies, manual, retry)
        return await self._subscribe(source, consumer, prefetch_count)

    async def consume(
        self,
        queue_name: str,
        callback: AnyCallback,
        *,
        prefetch_count: int = 100,
        undecodable_as_bytes: bool = False,
        replies: bool = False,
        manual: bool = False,
        retry: Retry | None = None,
    ) -> None:
        """Have ``callback`` awaited for each message of a queue that exists, whatever it is like.

        Nothing is declared or bound. The rest is as in :meth:`register_consumer`. Raises
        :class:`~mooq.ConsumerQueueNotFound` and :class:`~mooq.BadQueue`, ``TypeError`` and
        ``ValueError``.
        """
        self._requests.check_open()
        source = Source(Queue(check_queue_name(queue_name)))
        consumer = self._consumer(source, callback, undecodable_as_bytes, replies, manual, retry)
        await self._subscribe(source, consumer, prefetch_count)

    def _consumer(
        self,
        source: Source,
        callback: AnyCallback,
        undecodable_as_bytes: bool,
        replies: bool,
        manual: bool,
        retry: Retry | None,
    ) -> Consumer:
        policy = check_retry(retry)
        return Consumer(
            callback,
            self._internal,
            None if source.exchange is None else source.queue,
            self._dispatcher.timed_out,
            self._dispatcher.report_block,
            check_bool("undecodable_as_bytes", undecodable_as_bytes),
            self._reply if check_bool("replies", replies) else None,
            check_bool("manual", manual),
            None if policy is None else self._retries(policy, source.queue),
        )

    def _retries(self, policy: Retry, queue: Queue) -> Retries:
        if not queue.name:
            raise ValueError(
                "retry needs a queue_name: failed messages return to the queue by its name"
            )
        return Retries(
            policy,
            queue,
            self._internal.address.username,
            self._publish_copy,
            lambda one: self._requests.ask(lambda _: self._internal.declare_queue(one)),
        )

    async def _subscribe(self, source: Source, consumer: Consumer, prefetch_count: int) -> str:
        subscription = Subscription(
            source, check_prefetch_count(prefetch_count), consumer, self._cancelled
        )
        # A consumer that nobody knows of would take messages: it begins, and is ended.
        name = await self._requests.shielded(
            self._requests.ask(lambda _: subscription.begin(self._internal, self._dispatcher)),
            lambda _: self._end_subscription(subscription),
        )
        self._subscriptions.append(subscription)
        return name

    async def get(
        self,
        queue_name: str,
        timeout: float | None = None,
        *,
        undecodable_as_bytes: bool = False,
    ) -> IncomingMessage:
        """Take one message off a queue, acknowledged, and return it as a callback would get it.

        An empty queue raises :class:`~mooq.NothingToConsume`; with a ``timeout`` in seconds it is
        waited for, and :class:`~mooq.ConsumeTimeout` raised when none came. A body that is not
        what its content type says is a failed message, as in a callback, unless
        ``undecodable_as_bytes`` is True: then ``msg`` is the bytes. Raises
        :class:`~mooq.ConsumerQueueNotFound` for a queue that does not exist.
        """
        self._requests.check_open()
        check_queue_name(queue_name)
        if timeout is not None:
            check_timeout(timeout)
        check_bool("undecodable_as_bytes", undecodable_as_bytes)
        return await self._getter.get(queue_name, timeout, undecodable_as_bytes)

    async def delete_queue(self, queue_name: str) -> None:
        """Delete a queue with its messages; its consumers end. Nothing happens without one.

        Raises :class:`~mooq.BadQueue` for a queue that is exclusive to another connection.
        """
        self._requests.check_open()
        check_queue_name(queue_name)
        await self._requests.ask_of_queue(
            queue_name, lambda: self._internal.delete_queue(queue_name)
        )
        self._forget_queue(queue_name)

    async def close(self, *, timeout: float = CLOSE_TIMEOUT) -> None:
        """End the channel's consumers and the channel; closing again does nothing.

        Running callbacks may take up to ``timeout`` seconds to finish, and are acknowledged;
        those cut off then, and messages whose callback has not begun, are given back.
        """
        check_timeout(timeout)
        if self._is_closing:
            return
        self._requests.check_loop()
        self._is_closing = True
        try:
            await self.stop_consuming()
            # Until they are done callbacks may use the channel: to publish a reply, say.
            await self._dispatcher.finish(timeout, self._internal)
        finally:
            self._dispatcher.cut_off(self._internal)
            await self.end()

    async def end(self) -> None:
        """End the channel at once; what its callbacks hold goes back to its queue."""
        self._is_closing = True
        self._requests.is_closed = True
        try:
            await self.stop_consuming()
        finally:
            self._getter.begin_anew()
            try:
                async with goodbye():
                    await self._internal.close()
            finally:
                self.has_ended = True

    async def stop_consuming(self) -> None:
        """End the consumers and give back what has arrived for them; running callbacks go on."""
        async with goodbye():
            for subscription in self._subscriptions:
                await subscription.end(self._internal)
        await self._dispatcher.give_back(self._internal)

    @property
    def closed_by(self) -> Refused | None:
        """The reason for which the broker closed the channel of the consumers, if it did."""
        return self._internal.closed_by

    def report_of_loss(self) -> str:
        """Return why the broker closed the channel of the consumers, for the log."""
        running = self._dispatcher.running_on(self._internal)
        return refusals.report_of_loss(
            self._internal.closed_by,
            self._internal.address,
            (running[0].name, running[0].queue_name) if running else None,
        )

    def wake(self) -> None:
        """Let whoever waits on the channel look again: its consumers were lost."""
        if self.is_lost:
            self._getter.begin_anew()

    def move(self, internal: TransportChannel, loop: asyncio.AbstractEventLoop) -> None:
        """Go on by another channel of the transport's, in another event loop, once restored."""
        self._internal = internal
        self._requests.move(internal, loop)
        self._getter.move(internal)
        for subscription in self._subscriptions:
            subscription.consumer.channel = internal

    async def restore(self) -> None:
        """Open again after a loss, and register anew what was registered."""
        self._is_restoring = True  # until all of it is: an attempt may be lost half-way
        await self._internal.open()
        await self._declare_anew()
        for subscription in self._subscriptions:
            if subscription.tag is not None:
                await subscription.begin_again(self._internal, self._dispatcher)
        self._is_restoring = False

    async def flush(self) -> None:
        """Return when all that the broker had sent to the channel's consumers has arrived."""
        with contextlib.suppress(Lost):
            await self._internal.flush()

    def _cancelled(self, subscription: Subscription) -> None:
        """Have a consumer begin again that the broker has ended."""
        self._requests.begin(self._go_on(subscription))

    async def _go_on(self, subscription: Subscription) -> None:
        try:
            await self._requests.ask(lambda _: subscription.go_on(self._internal, self._dispatcher))
        except MooqError as error:
            if not self._is_closing:
                log.error("a consumer that the broker ended could not begin again: %s", error)

    async def _end_subscription(self, subscription: Subscription) -> None:
        await subscription.end(self._internal)
        await self._dispatcher.give_back(subscription.consumer)
