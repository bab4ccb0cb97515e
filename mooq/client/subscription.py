"""A registered consumer as it must be made anew after a lost connection."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from functools import partial

from mooq.client import refusals
from mooq.client.consumer import Consumer
from mooq.client.dispatcher import Dispatcher
from mooq.errors import Lost, Refused
from mooq.transports.base import Receiver, TransportChannel
from mooq.transports.declarations import Exchange, Queue

log: logging.Logger = logging.getLogger("mooq.consumers")


@dataclass
class Subscription:
    """An exchange, a queue, the keys between them, and the consumer of the queue."""

    exchange: Exchange
    queue: Queue
    routing_keys: tuple[str, ...]
    prefetch_count: int
    consumer: Consumer
    tag: str | None = None

    async def begin(self, channel: TransportChannel, dispatcher: Dispatcher) -> str:
        """Begin for the first time: as :meth:`begin_again`, and refuse a missing dead-letter one.

        RabbitMQ accepts a dead-letter exchange that does not exist, and drops what is sent there.
        Raises :class:`~mooq.ExchangeNotFound` too.
        """
        await declare_exchange(channel, self.exchange)
        name = self.queue.dead_letter_exchange
        if name is not None and not await channel.has_exchange(name):
            raise refusals.missing_dead_letter_exchange(name, channel.address)
        return await self.begin_again(channel, dispatcher)

    async def begin_again(self, channel: TransportChannel, dispatcher: Dispatcher) -> str:
        """Declare, bind and consume; return the queue's name. What it declared alone it removes.

        Raises :class:`~mooq.BadExchange`, :class:`~mooq.BadQueue`, :class:`Lost`.
        """
        await declare_exchange(channel, self.exchange)
        try:
            name = await channel.declare_queue(self.queue)
        except Refused as refused:
            raise refusals.of_queue(refused, self.queue.name, channel.address) from refused
        try:
            for key in self.routing_keys:
                await channel.bind(name, self.exchange.name, key)
            self.consumer.queue_name = name
            receiver = Receiver(partial(dispatcher.put, self.consumer), self._cancelled)
            self.tag = await channel.consume(name, self.prefetch_count, receiver)
        except Refused as refused:
            if self.queue.exclusive:
                with contextlib.suppress(Refused, Lost):
                    await channel.delete_queue(name)
            raise refusals.of_queue(refused, name, channel.address) from refused
        return name

    async def end(self, channel: TransportChannel) -> None:
        """End the consumer, if it has begun."""
        tag, self.tag = self.tag, None
        if tag is not None:
            await channel.cancel(tag)

    def _cancelled(self) -> None:
        self.tag = None
        log.warning(
            "queue %r was deleted; its consumer is gone until it is registered again",
            self.consumer.queue_name,
        )


async def declare_exchange(channel: TransportChannel, exchange: Exchange) -> None:
    """Make sure of an exchange, or raise :class:`~mooq.BadExchange`."""
    try:
        await channel.declare_exchange(exchange)
    except Refused as refused:
        raise refusals.of_exchange(refused, exchange.name, channel.address) from refused
