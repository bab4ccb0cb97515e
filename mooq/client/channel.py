"""A channel, the same for every broker: publish, register producers and consumers, get."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Never, TypeVar

from mooq.client import refusals
from mooq.client.consumer import AnyCallback, Consumer
from mooq.client.declarations import check_arguments
from mooq.client.dispatcher import Dispatcher
from mooq.client.get import Getter
from mooq.client.positional import keyword_only, refuse_positional
from mooq.client.properties import check_bool
from mooq.client.publisher import PublishingChannel
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


class Channel(PublishingChannel):
    """A channel of a connection, created by ``connection.create_channel()``.

    Its methods may be called concurrently. After :meth:`close`, or after ``async with``, they raise
    :class:`~mooq.BrokerConnectionError`. While the connection is lost they wait up to 30 seconds
    for it to be restored, then raise the same error.
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
        """Whether it is closed at the broker too, so that it no longer counts as a channel."""

    async def open(self) -> None:
        """Open at the broker; wait if the connection is lost."""
        await self._requests.ask(lambda _: self._internal.open(), ANSWER_TIMEOUT)

    @property
    def is_closed(self) -> bool:
        """Whether the channel or its connection was closed by :meth:`close`."""
        return self._is_closing

    @property
    def is_lost(self) -> bool:
        """Whether the broker ended the channel's consumers, so that they must be restored."""
        return self._internal.is_lost or self._is_restoring

    @keyword_only
    async def register_producer(
        self, *positional: Never, exchange_name: str, exchange_type: str
    ) -> None:
        """Declare a durable exchange to publish to. An identical one may already exist.

        ``exchange_type`` is ``"direct"``, ``"fanout"``, ``"topic"`` or ``"headers"``. Raises
        :class:`~mooq.BadExchange` for an invalid name or type, or if the exchange exists with
        another type (AMQP 0-9-1 §1.7.2.1).
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
        """Await ``callback`` for each message of a queue, while ``process_events()`` runs.

        Declares the exchange and the queue, and binds them with each of ``routing_keys``. A fanout
        exchange needs none, a direct exchange defaults to ``""``, a topic exchange needs at least
        one. With a ``queue_name`` the queue is durable, and its consumers take turns. With ``None``
        it is exclusive to this channel and deleted with it. Returns the queue's name.

        ``callback`` is an async function that takes one argument, :class:`~mooq.IncomingMessage`.
        The message is acknowledged when the callback returns. If the callback raises, the message
        is delivered once more. If it raises again, the message goes to ``dead_letter_exchange``, or
        is discarded and logged. At most ``prefetch_count`` (1 … 65535) messages are unacknowledged
        at a time. A body that does not match its content type also counts as a failure, unless
        ``undecodable_as_bytes`` is True: then ``msg`` is the bytes.

        ``queue_arguments`` are RabbitMQ's arguments for the queue; :func:`mooq.queue_arguments`
        creates them. A headers exchange needs ``binding_arguments``, see
        :meth:`~mooq.Channel.bind_queue`. :meth:`~mooq.Channel.consume` consumes from an existing
        queue without declaring it.

        With ``replies``, the callback's return value is published as JSON to the queue named by the
        message's ``reply_to``, if any, with the message's ``correlation_id``. Then the message is
        acknowledged.

        With ``manual``, the callback gets a second argument, a :class:`~mooq.ManualDelivery`, and
        settles the message with it, then or later. With ``retry``, a :class:`~mooq.Retry`, a
        message whose callback fails is retried after a wait, and parked after the last attempt.

        Raises :class:`~mooq.BadExchange` and :class:`~mooq.BadQueue` for names, types and
        properties that are invalid or differ from the existing ones,
        :class:`~mooq.ExchangeNotFound` for a dead-letter exchange that does not exist, and
        ``TypeError`` and ``ValueError`` for other arguments. Then nothing is registered, but the
        exchange stays declared, because others may already use it.
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
        """Await ``callback`` for each message of an existing queue, whatever its properties.

        Declares and binds nothing. Otherwise it works like :meth:`register_consumer`. Raises
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
        # A cancelled caller would not know the consumer: let it begin, then end it.
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
        """Take one message from a queue, acknowledge it, and return it as a callback would get it.

        Raises :class:`~mooq.NothingToConsume` if the queue is empty. With a ``timeout`` in seconds
        it waits for a message, and raises :class:`~mooq.ConsumeTimeout` if none arrived. A body
        that does not match its content type counts as a failed message, as in a callback, unless
        ``undecodable_as_bytes`` is True: then ``msg`` is the bytes. Raises
        :class:`~mooq.ConsumerQueueNotFound` if the queue does not exist.
        """
        self._requests.check_open()
        check_queue_name(queue_name)
        if timeout is not None:
            check_timeout(timeout)
        check_bool("undecodable_as_bytes", undecodable_as_bytes)
        return await self._getter.get(queue_name, timeout, undecodable_as_bytes)

    async def delete_queue(self, queue_name: str) -> None:
        """Delete a queue, its messages and its consumers. Does nothing if the queue does not exist.

        Raises :class:`~mooq.BadQueue` if the queue is exclusive to another connection.
        """
        self._requests.check_open()
        check_queue_name(queue_name)
        await self._requests.ask_of_queue(
            queue_name, lambda: self._internal.delete_queue(queue_name)
        )
        self._forget_queue(queue_name)

    async def close(self, *, timeout: float = CLOSE_TIMEOUT) -> None:
        """Close the channel and its consumers. Closing twice is safe.

        Running callbacks have ``timeout`` seconds to finish; their messages are acknowledged.
        Messages of callbacks that were cancelled or not started are requeued.
        """
        check_timeout(timeout)
        if self._is_closing:
            return
        self._requests.check_loop()
        self._is_closing = True
        try:
            await self.stop_consuming()
            # Running callbacks may still use the channel, for example to publish a reply.
            await self._dispatcher.finish(timeout, self._internal)
        finally:
            self._dispatcher.cut_off(self._internal)
            await self.end()

    async def end(self) -> None:
        """Close the channel at once; unacknowledged messages return to their queues."""
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
        """End the consumers and requeue what has arrived for them; running callbacks continue."""
        async with goodbye():
            for subscription in self._subscriptions:
                await subscription.end(self._internal)
        await self._dispatcher.requeue_arrived(self._internal)

    @property
    def closed_by(self) -> Refused | None:
        """The broker's reason for closing the consumers' channel, if it did."""
        return self._internal.closed_by

    def report_of_loss(self) -> str:
        """Return the broker's reason for closing the consumers' channel, for the log."""
        running = self._dispatcher.running_on(self._internal)
        return refusals.report_of_loss(
            self._internal.closed_by,
            self._internal.address,
            (running[0].name, running[0].queue_name) if running else None,
        )

    def wake(self) -> None:
        """Wake everything that waits on the channel: its consumers were lost."""
        if self.is_lost:
            self._getter.begin_anew()

    def move(self, internal: TransportChannel, loop: asyncio.AbstractEventLoop) -> None:
        """Use another transport channel, in another event loop, once restored."""
        self._internal = internal
        self._requests.move(internal, loop)
        self._getter.move(internal)
        for subscription in self._subscriptions:
            subscription.consumer.channel = internal

    async def restore(self) -> None:
        """Reopen after a loss, and register the consumers again."""
        self._is_restoring = (
            True  # until everything is restored: the connection may be lost half-way
        )
        await self._internal.open()
        await self._declare_anew()
        for subscription in self._subscriptions:
            if subscription.tag is not None:
                await subscription.begin_again(self._internal, self._dispatcher)
        self._is_restoring = False

    async def flush(self) -> None:
        """Return when everything the broker sent to the channel's consumers has arrived."""
        with contextlib.suppress(Lost):
            await self._internal.flush()

    def _cancelled(self, subscription: Subscription) -> None:
        """Restart a consumer that the broker has ended."""
        self._requests.begin(self._go_on(subscription))

    async def _go_on(self, subscription: Subscription) -> None:
        try:
            await self._requests.ask(lambda _: subscription.go_on(self._internal, self._dispatcher))
        except MooqError as error:
            if not self._is_closing:
                log.error("a consumer cancelled by the broker could not be restarted: %s", error)

    async def _end_subscription(self, subscription: Subscription) -> None:
        await subscription.end(self._internal)
        await self._dispatcher.requeue_arrived(subscription.consumer)
