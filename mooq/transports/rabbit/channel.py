"""One mooq channel on RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.commands import Queue as QueueMethods

from mooq.errors import Lost, Refused
from mooq.transports.base import Receiver, Transport, TransportChannel
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.message import Delivery, Message, Outcome
from mooq.transports.rabbit.answers import to_the_end
from mooq.transports.rabbit.connection_pair import ConnectionPair
from mooq.transports.rabbit.consumers import Consumers, delivery_of
from mooq.transports.rabbit.publisher import Publisher


class AnyQueue(QueueMethods.Declare):
    """A declaration with any name that RabbitMQ accepts, such as ``*``, which pamqp refuses."""

    def validate(self) -> None:
        """Accept every name."""


class RabbitChannel(TransportChannel):
    """Control uses the shared AMQP channel; publishing and consuming use one AMQP channel each."""

    def __init__(
        self, transport: Transport, pair: ConnectionPair, on_lost: Callable[[], None]
    ) -> None:
        super().__init__(transport)
        self._pair = pair
        self._publisher = Publisher(pair)
        self._consumers = Consumers(pair, on_lost)

    @property
    def is_lost(self) -> bool:
        return self._consumers.are_lost

    @property
    def closed_by(self) -> Refused | None:
        return self._consumers.closed_by

    async def open(self) -> None:
        if self._pair.is_lost:
            raise Lost("the connection is closed")
        self._consumers.reset()

    async def close(self) -> None:
        await to_the_end(self._close())

    async def _close(self) -> None:
        await self._consumers.close()
        await self._publisher.close()

    async def declare_exchange(self, exchange: Exchange) -> None:
        await self._pair.control(
            lambda amqp: amqp.exchange_declare(
                exchange.name,
                exchange_type=exchange.type,
                durable=exchange.durable,
                auto_delete=exchange.auto_delete,
                internal=exchange.internal,
                arguments=dict(exchange.arguments) or None,
            )
        )
        self._pair.known_exchanges.add(exchange.name)

    async def has_exchange(self, exchange_name: str) -> bool:
        return await self._pair.has_exchange(exchange_name)

    async def declare_queue(self, queue: Queue) -> str:
        declared = await self._pair.control(
            lambda amqp: amqp.queue_declare(
                queue.name,
                durable=queue.durable,
                exclusive=queue.exclusive,
                auto_delete=queue.auto_delete,
                arguments=dict(queue.arguments) or None,
            )
        )
        return str(declared.queue)

    async def delete_queue(self, queue_name: str) -> None:
        await self._pair.control(lambda amqp: amqp.queue_delete(queue_name))

    async def count_ready(self, queue_name: str) -> int | None:
        def ask(amqp: Any) -> Any:  # aiormq's channel; its queue_declare() accepts fewer names
            return amqp.rpc(AnyQueue(queue=queue_name, passive=True))

        try:
            declared = await self._pair.control(ask)
        except Refused as refused:
            if refused.code != Refused.NOT_FOUND:
                raise
            return None
        return int(declared.message_count)

    async def bind(
        self,
        queue_name: str,
        exchange_name: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        await self._pair.control(
            lambda amqp: amqp.queue_bind(
                queue_name,
                exchange_name,
                routing_key,
                arguments=None if arguments is None else dict(arguments),
            )
        )

    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        await self._publisher.publish(message, mandatory, timeout)

    async def hear_replies(self, on_reply: Callable[[Delivery], None]) -> None:
        await self._publisher.hear_replies(on_reply)

    async def consume(self, queue_name: str, prefetch_count: int, receiver: Receiver) -> str:
        return await to_the_end(self._consumers.begin(queue_name, prefetch_count, receiver))

    async def cancel(self, consumer_tag: str) -> None:
        await to_the_end(self._consumers.cancel(consumer_tag))

    async def get(self, queue_name: str) -> Delivery | None:
        getting = asyncio.ensure_future(self._pair.get(queue_name))
        try:
            arrived = await asyncio.shield(getting)
        except asyncio.CancelledError:
            getting.add_done_callback(self._requeue_cancelled_get)
            raise
        return None if isinstance(arrived.delivery, Basic.GetEmpty) else delivery_of(arrived)

    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        channel, tag, consumer_tag = delivery.receipt
        # RabbitMQ finds a queue by its name, and a message by its number there: it would end
        # another message, of a new queue of that name (seen on 3.10, 4.0 and 4.3).
        if not self._consumers.was_deleted(consumer_tag):
            channel.settle(tag, outcome)
        self._pair.settled(channel)

    def holds(self, delivery: Delivery) -> bool:
        channel, _, consumer_tag = delivery.receipt
        return not channel.is_closed and not self._consumers.was_deleted(consumer_tag)

    async def flush(self) -> None:
        await to_the_end(self._consumers.flush())

    def _requeue_cancelled_get(self, getting: asyncio.Future[DeliveredMessage]) -> None:
        """Requeue the message of a get whose caller was cancelled."""
        if getting.cancelled() or getting.exception() is not None:
            return
        arrived = getting.result()
        if not isinstance(arrived.delivery, Basic.GetEmpty):
            giving_back = asyncio.ensure_future(self.settle(delivery_of(arrived), Outcome.RELEASE))
            giving_back.add_done_callback(lambda done: done.cancelled() or done.exception())
