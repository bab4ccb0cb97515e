"""Consumers of a mooq channel, on a separate AMQP channel, and their deliveries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from mooq.broker.message import PERSISTENT
from mooq.errors import Lost, Refused
from mooq.transports.base import Receiver
from mooq.transports.broker_messages import plain
from mooq.transports.message import NO_PROPERTIES, Delivery, Message, MessageProperties
from mooq.transports.rabbit.answers import REFUSED, answered, refusal
from mooq.transports.rabbit.connection_pair import ConnectionPair, in_time
from mooq.transports.rabbit.consumer_channel import ConsumerChannel


class Consumers:
    """The consumers of one channel."""

    def __init__(self, pair: ConnectionPair, on_lost: Callable[[], None]) -> None:
        self._pair = pair
        self._on_lost = on_lost
        self._channel: ConsumerChannel | None = None
        self._lock = asyncio.Lock()
        self._is_closed = False
        self.closed_by: Refused | None = None
        """RabbitMQ's reason for closing the consumers' channel, if it did."""
        self._on_cancel: dict[str, Callable[[], None]] = {}
        self._deleted: set[str | None] = set()  # tags of consumers whose queue was deleted

    @property
    def are_lost(self) -> bool:
        """Whether there were consumers that RabbitMQ, or a network failure, has ended."""
        return self._channel is not None and (self._channel.is_closed or self._pair.is_lost)

    def reset(self) -> None:
        """Forget the consumers of a lost channel."""
        self._channel = None
        self.closed_by = None
        self._on_cancel.clear()
        self._deleted.clear()

    async def close(self) -> None:
        """Cancel all consumers; unsettled messages return to their queues."""
        self._is_closed = True
        channel = self._channel
        self.reset()
        if channel is not None:
            channel.write_out()
            with contextlib.suppress(Lost, Refused):
                await answered(channel.close())

    async def begin(self, queue_name: str, prefetch_count: int, receiver: Receiver) -> str:
        """Start a consumer and return its tag."""

        async def deliver(arrived: DeliveredMessage) -> None:
            receiver.on_delivery(delivery_of(arrived))

        async with self._lock:
            if self._channel is None:
                self._channel = await self._open()
            if self._is_closed:
                await self.close()
                raise Lost("the channel was closed meanwhile")
            channel = self._channel
            channel.write_out()
            await answered(in_time(channel.basic_qos(prefetch_count=prefetch_count)))
            answer = await answered(in_time(channel.basic_consume(queue_name, deliver)))
        tag = str(answer.consumer_tag)
        if tag in self._deleted:  # while its consumer was starting
            raise Refused(Refused.NOT_FOUND, f"NOT_FOUND - queue '{queue_name}' was just deleted")
        self._on_cancel[tag] = receiver.on_cancel
        return tag

    async def _open(self) -> ConsumerChannel:
        channel = await self._pair.consuming_channel()
        channel.on_consumer_cancel_callbacks.add(self._cancelled)

        def closed(closing: asyncio.Future[Any]) -> None:
            # If the whole connection is lost, the connection reports it.
            if self._channel is channel and not self._pair.is_lost:
                error = None if closing.cancelled() else closing.exception()
                self.closed_by = refusal(error) if isinstance(error, REFUSED) else None
                self._on_lost()

        channel.closing.add_done_callback(closed)
        return channel

    def _cancelled(self, frame: Basic.Cancel) -> None:
        self._deleted.add(frame.consumer_tag)
        on_cancel = self._on_cancel.pop(str(frame.consumer_tag), None)
        if on_cancel is not None:
            on_cancel()

    async def cancel(self, consumer_tag: str) -> None:
        """Cancel one consumer."""
        self._on_cancel.pop(consumer_tag, None)
        if self._channel is not None:
            self._channel.write_out()
            await answered(in_time(self._channel.basic_cancel(consumer_tag)))

    async def flush(self) -> None:
        """Return when everything that RabbitMQ had sent to the consumers has arrived.

        RabbitMQ answers a channel in order, so everything sent before an answer has arrived with
        it. basic.qos is the cheapest request, and harmless, because every consumer sets its own
        first.
        """
        async with self._lock:
            if self._channel is not None:
                self._channel.write_out()
                await answered(in_time(self._channel.basic_qos(prefetch_count=1)))

    def was_deleted(self, consumer_tag: str | None) -> bool:
        """Whether RabbitMQ has ended a consumer because its queue was deleted."""
        return consumer_tag in self._deleted


def delivery_of(arrived: DeliveredMessage) -> Delivery:
    """Return a delivery in mooq's form."""
    properties = arrived.header.properties
    message = Message(
        arrived.body,
        arrived.exchange or "",
        arrived.routing_key or "",
        properties.message_id,
        properties.content_type,
        plain(properties.headers),
        properties.delivery_mode == PERSISTENT,
        properties.content_encoding,
        _properties_of(properties),
    )
    receipt = (arrived.channel, arrived.delivery_tag, arrived.consumer_tag)
    return Delivery(message, bool(arrived.redelivered), receipt)


def _properties_of(properties: Basic.Properties) -> MessageProperties:
    found = MessageProperties(
        properties.correlation_id,
        properties.reply_to,
        properties.expiration,
        properties.priority,
        properties.message_type,
        properties.timestamp,
        properties.user_id,
        properties.app_id,
    )
    return NO_PROPERTIES if found == NO_PROPERTIES else found
