"""A registered consumer, with everything needed to restore it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mooq.client import refusals
from mooq.client.consumer import Consumer
from mooq.client.declarations import declare
from mooq.client.dispatcher import Dispatcher
from mooq.errors import Lost, Refused
from mooq.transports.base import Receiver, TransportChannel
from mooq.transports.declarations import Exchange, Queue

log: logging.Logger = logging.getLogger("mooq.consumers")


@dataclass(frozen=True)
class Source:
    """The source of messages: a queue, and an exchange that it is bound to.

    Without an exchange the queue is not declared.
    """

    queue: Queue
    exchange: Exchange | None = None
    routing_keys: tuple[str, ...] = ()
    binding_arguments: Mapping[str, Any] = field(default_factory=dict)

    async def check_dead_letters(self, channel: TransportChannel) -> None:
        """Raise :class:`~mooq.ExchangeNotFound` for a dead-letter exchange that does not exist.

        RabbitMQ accepts a missing one, and drops the messages sent there.
        """
        name = self.queue.dead_letter_exchange
        if name is not None and not await channel.has_exchange(name):
            raise refusals.missing_dead_letter_exchange(name, channel.address)

    async def declare(self, channel: TransportChannel) -> str:
        """Declare the queue, or check it; return its name. Raises :class:`~mooq.BadQueue`.

        It must exist before it is consumed: consuming a missing queue would end the other consumers
        too.
        """
        try:
            if self.exchange is not None:
                return await channel.declare_queue(self.queue)
            if await channel.count_ready(self.queue.name) is None:
                raise refusals.missing_queue(self.queue.name, channel.address)
            return self.queue.name
        except Refused as refused:
            raise refusals.of_queue(refused, self.queue.name, channel.address) from refused

    async def bind(self, channel: TransportChannel, queue_name: str) -> None:
        """Bind the queue. Raises :class:`Refused`."""
        if self.exchange is not None:
            for key in self.routing_keys:
                await channel.bind(queue_name, self.exchange.name, key, self.binding_arguments)


@dataclass
class Subscription:
    """A source of messages, and the consumer of its queue."""

    source: Source
    prefetch_count: int
    consumer: Consumer
    on_cancelled: Callable[[Subscription], None]
    tag: str | None = None
    _is_over: bool = False

    async def begin(self, channel: TransportChannel, dispatcher: Dispatcher) -> str:
        """Start for the first time: like :meth:`begin_again`, but check the dead-letter exchange.

        Raises :class:`~mooq.ExchangeNotFound` too.
        """
        if self.source.exchange is not None:
            await declare(channel, self.source.exchange)
        await self.source.check_dead_letters(channel)
        return await self.begin_again(channel, dispatcher)

    async def begin_again(self, channel: TransportChannel, dispatcher: Dispatcher) -> str:
        """Declare, bind and consume; return the queue's name. On failure, undo what only it needs.

        Raises :class:`~mooq.BadExchange`, :class:`~mooq.BadQueue`, :class:`Lost`.
        """
        if self.source.exchange is not None:
            await declare(channel, self.source.exchange)
        name = await self.source.declare(channel)
        try:
            await self.source.bind(channel, name)
            self.consumer.queue_name = name
            receiver = Receiver(partial(dispatcher.put, self.consumer), self._cancelled)
            await self._declare_retries(channel)
            self.tag = await channel.consume(name, self.prefetch_count, receiver)
        except Refused as refused:
            if self.source.queue.exclusive:
                with contextlib.suppress(Refused, Lost):
                    await channel.delete_queue(name)
            raise refusals.of_queue(refused, name, channel.address) from refused
        return name

    async def _declare_retries(self, channel: TransportChannel) -> None:
        """Declare the retry queues and the parking queue. Raises like the queue."""
        if self.consumer.retries is not None:
            for queue in self.consumer.retries.queues:
                try:
                    await channel.declare_queue(queue)
                except Refused as refused:
                    raise refusals.of_queue(refused, queue.name, channel.address) from refused

    async def end(self, channel: TransportChannel) -> None:
        """End the consumer, if it has started."""
        self._is_over = True
        tag, self.tag = self.tag, None
        if tag is not None:
            await channel.cancel(tag)

    def _cancelled(self) -> None:
        self.tag = None
        self.on_cancelled(self)

    @property
    def _may_be_late(self) -> bool:
        arguments = self.source.queue.arguments
        return self.source.exchange is None or arguments.get("x-queue-type") == "quorum"

    async def go_on(self, channel: TransportChannel, dispatcher: Dispatcher) -> None:
        """Start again after the broker has ended the consumer, unless its queue was deleted.

        If a consumer of a quorum queue acknowledges too late, RabbitMQ 4.3 ends the consumer, where
        earlier versions close its channel. RabbitMQ gives no reason. So a consumer that held no
        message was not late: its queue was deleted, even if there is another queue with the same
        name by now.
        """
        queue_name = self.consumer.queue_name
        is_held = self.consumer.is_manual or dispatcher.holds(self.consumer)
        was_late = self._may_be_late and is_held
        if not was_late or await channel.count_ready(queue_name) is None:
            log.warning(
                "queue %r was deleted; its consumer is gone until it is registered again",
                queue_name,
            )
            return
        log.warning(
            "%s",
            refusals.report_of_cancel(
                channel.address, queue_name, dispatcher.time_out(self.consumer)
            ),
        )
        if self.tag is None and not self._is_over:
            await self.begin_again(channel, dispatcher)
