"""A wrapper of a transport that reports what happens to the observer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mooq.basics.address import Address
from mooq.client.dispatcher import Dispatcher
from mooq.errors import Lost, Refused
from mooq.testing.recorder import Event, Record
from mooq.transports.base import Receiver, Transport, TransportChannel
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.message import DIRECT_REPLY_TO, Delivery, Message, Outcome

if TYPE_CHECKING:
    from mooq.testing.observer import ConnectionObserver

SETTLED = {
    Outcome.ACKNOWLEDGE: Event.ACKNOWLEDGED,
    Outcome.REQUEUE: Event.REQUEUED,
    Outcome.REJECT: Event.REJECTED,
    Outcome.RELEASE: Event.GIVEN_BACK,
    Outcome.RETRY: Event.REQUEUED,
    Outcome.PARK: Event.REJECTED,
}


class ObservedTransport(Transport):
    """A connection that reports to the observer."""

    def __init__(
        self, transport: Transport, dispatcher: Dispatcher, observer: ConnectionObserver
    ) -> None:
        super().__init__()
        self.dispatcher = dispatcher
        self.channels: list[ObservedChannel] = []
        self.is_closed: bool = False
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop in which it is used, once it is open."""
        self._transport = transport
        self._observer = observer
        transport.on_lost = self._lost

    def _lost(self) -> None:
        self._observer.happen()
        self.on_lost()

    @property
    def address(self) -> Address:
        return self._transport.address

    @property
    def is_lost(self) -> bool:
        return self._transport.is_lost

    @property
    def channel_max(self) -> int:
        return self._transport.channel_max

    async def open(self, timeout: float) -> None:
        self.loop = asyncio.get_running_loop()
        await self._transport.open(timeout)

    def channel(self) -> TransportChannel:
        return ObservedChannel(self, self._transport.channel(), self.channels, self._observer)

    def abandon(self) -> None:
        self.is_closed = True
        self._transport.abandon()
        self._observer.happen()

    async def close(self) -> None:
        self.is_closed = True
        await self._transport.close()
        self._observer.happen()


class ObservedChannel(TransportChannel):
    """A channel that reports to the observer."""

    def __init__(
        self,
        transport: ObservedTransport,
        channel: TransportChannel,
        open_ones: list[ObservedChannel],
        observer: ConnectionObserver,
    ) -> None:
        super().__init__(transport)
        self._observed = transport
        self._channel = channel
        self._dispatcher = transport.dispatcher
        self._number = observer.next_channel()
        self._open_ones = open_ones
        self._observer = observer
        self._consumed: dict[str, str] = {}
        self._queue_of: dict[object, str] = {}

    @property
    def is_lost(self) -> bool:
        return self._channel.is_lost

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop in which it is used, since it is open."""
        assert self._observed.loop is not None
        return self._observed.loop

    @property
    def consumed(self) -> set[str]:
        """The queues that it consumes from."""
        return set(self._consumed.values())

    @property
    def unsettled(self) -> list[str]:
        """The queue of each unsettled delivery."""
        return list(self._queue_of.values())

    @property
    def closed_by(self) -> Refused | None:
        return self._channel.closed_by

    async def open(self) -> None:
        self._consumed.clear()
        self._queue_of.clear()
        await self._channel.open()
        if self not in self._open_ones:
            self._open_ones.append(self)

    async def declare_exchange(self, exchange: Exchange) -> None:
        await self._channel.declare_exchange(exchange)

    async def has_exchange(self, exchange_name: str) -> bool:
        return await self._channel.has_exchange(exchange_name)

    async def declare_queue(self, queue: Queue) -> str:
        name = await self._channel.declare_queue(queue)
        if queue.dead_letter_exchange is not None:
            self._observer.dead_letter_exchanges[name] = queue.dead_letter_exchange
        self._observer.queues.add(name)
        return name

    async def delete_queue(self, queue_name: str) -> None:
        await self._channel.delete_queue(queue_name)

    async def count_ready(self, queue_name: str) -> int | None:
        return await self._channel.count_ready(queue_name)

    async def bind(
        self,
        queue_name: str,
        exchange_name: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        await self._channel.bind(queue_name, exchange_name, routing_key, arguments)

    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        with self._observer.publish():
            try:
                # A broker says only of a mandatory message that it is unroutable; of a direct reply
                # it may say so although it delivers it.
                is_reply = not message.exchange and message.routing_key.startswith(DIRECT_REPLY_TO)
                await self._channel.publish(message, mandatory or not is_reply, timeout)
            except Refused as refused:
                if refused.code != Refused.NO_ROUTE:
                    raise
                self._observer.happen(Record(Event.UNROUTABLE, message))
                if mandatory:
                    raise
                self._observer.unroutable.append((message.exchange, message.routing_key))
            self._observer.happen(Record(Event.PUBLISHED, message, channel=self._number))

    async def hear_replies(self, on_reply: Callable[[Delivery], None]) -> None:
        await self._channel.hear_replies(on_reply)

    async def consume(self, queue_name: str, prefetch_count: int, receiver: Receiver) -> str:
        tag = ""
        number = self._observer.consumers[queue_name] = (
            self._observer.consumers.get(queue_name, 0) + 1
        )

        def delivered(delivery: Delivery) -> None:
            receiver.on_delivery(self._delivered(queue_name, delivery, number))

        def cancelled() -> None:
            self._consumed.pop(tag, None)
            receiver.on_cancel()

        observed = Receiver(delivered, cancelled)
        tag = await self._channel.consume(queue_name, prefetch_count, observed)
        self._consumed[tag] = queue_name
        self._observer.queues.add(queue_name)
        return tag

    async def cancel(self, consumer_tag: str) -> None:
        self._consumed.pop(consumer_tag, None)
        await self._channel.cancel(consumer_tag)

    async def get(self, queue_name: str) -> Delivery | None:
        delivery = await self._channel.get(queue_name)
        return None if delivery is None else self._delivered(queue_name, delivery)

    async def has_ready(self, queue_name: str) -> bool:
        """Whether a queue that has handled everything it was sent has a ready message.

        Only a get can tell. RabbitMQ's queue counts its messages (``count_ready``) before it
        handles the acknowledgements, rejections and messages that it was sent, but handles a get in
        its turn (priorities in rabbit_amqqueue_process). A message that the get returns is requeued
        as not delivered before, though the message behind it may overtake it.
        """
        try:
            delivery = await self._channel.get(queue_name)
        except Refused:  # the queue was deleted
            return False
        if delivery is None:
            return False
        if not delivery.redelivered:
            self._observer.put_back.append((queue_name, delivery.message))
        await self._channel.settle(delivery, Outcome.RELEASE)
        return True

    def _delivered(
        self, queue_name: str, delivery: Delivery, consumer: int | None = None
    ) -> Delivery:
        if delivery.redelivered and (queue_name, delivery.message) in self._observer.put_back:
            self._observer.put_back.remove((queue_name, delivery.message))
            delivery = delivery._replace(redelivered=False)
        self._queue_of[delivery.receipt] = queue_name
        self._observer.happen(
            Record(
                Event.DELIVERED,
                delivery.message,
                queue_name,
                delivery.redelivered,
                consumer=consumer,
            )
        )
        return delivery

    def _is_to_come_again(self, delivery: Delivery, outcome: Outcome) -> bool:
        """Whether to lose a callback's acknowledgement, as a network failure might."""
        return (
            self._observer.redelivers
            and outcome is Outcome.ACKNOWLEDGE
            and not delivery.redelivered
            and asyncio.current_task() in self._dispatcher.running
        )

    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        failed = outcome not in (Outcome.ACKNOWLEDGE, Outcome.RELEASE)
        # A callback's failure is settled while it is being handled.
        error = sys.exception() if failed else None
        queue_name = self._queue_of.pop(delivery.receipt, None)
        self._observer.happen(
            Record(
                SETTLED[outcome],
                delivery.message,
                queue_name,
                delivery.redelivered,
                error if isinstance(error, Exception) else None,
            )
        )
        if outcome is Outcome.REJECT:
            await self._see_where_it_goes(queue_name)
        if self._is_to_come_again(delivery, outcome):
            outcome = Outcome.RELEASE
        await self._channel.settle(delivery, outcome)  # which may cause the next delivery

    async def _see_where_it_goes(self, queue_name: str | None) -> None:
        """Record a message that its broker drops because its dead-letter exchange is missing."""
        exchange_name = self._observer.dead_letter_exchanges.get(queue_name or "")
        with suppress(Lost):
            if exchange_name and not await self._channel.has_exchange(exchange_name):
                self._observer.dropped.append((queue_name or "", exchange_name))

    def holds(self, delivery: Delivery) -> bool:
        return self._channel.holds(delivery)

    async def flush(self) -> None:
        await self._channel.flush()

    async def close(self) -> None:
        if self in self._open_ones:
            self._open_ones.remove(self)
        await self._channel.close()
