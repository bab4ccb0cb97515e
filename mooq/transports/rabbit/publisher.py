"""Publishing on a separate AMQP channel: order, confirms and outcomes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import aiormq
from aiormq.abc import DeliveredMessage

from mooq.basics.wording import in_seconds
from mooq.errors import Blocked, Lost, Refused, Unconfirmed
from mooq.transports.message import DIRECT_REPLY_TO, Delivery, Message
from mooq.transports.rabbit.answers import (
    GONE,
    REFUSED,
    answered,
    is_nameless,
    refusal,
    to_the_end,
    was_cancelled,
)
from mooq.transports.rabbit.confirm_channel import ConfirmChannel
from mooq.transports.rabbit.connection_pair import ConnectionPair, in_time
from mooq.transports.rabbit.consumers import delivery_of


class Publisher:
    """Publishes in the order of the calls, with any number in flight."""

    def __init__(self, pair: ConnectionPair) -> None:
        self._pair = pair
        self._channel: ConfirmChannel | None = None
        self._is_closed = False
        self._preparing = 0
        self._preparing_lock = asyncio.Lock()
        self._in_flight = 0
        self._on_reply: Callable[[Delivery], None] | None = None
        self._returnable: dict[str | None, asyncio.Future[None]] = {}

    async def close(self) -> None:
        """Close the AMQP channel; what is in flight stays unconfirmed."""
        self._is_closed = True
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(Lost, Refused):
                await answered(channel.close())

    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        """Return when RabbitMQ has confirmed the message; see ``TransportChannel.publish``."""
        sent: list[Message] = []
        try:
            async with asyncio.timeout(timeout):
                if mandatory:
                    async with self._alone(message.message_id):
                        await self._publish(message, mandatory, sent)
                else:
                    await self._publish(message, mandatory, sent)
        except TimeoutError as error:
            if self._pair.take_no_more and not sent:
                raise Blocked(self._pair.hindrance) from error
            outcome = Unconfirmed if sent else Lost
            raise outcome(f"no answer from the broker within {in_seconds(timeout)}") from error

    async def _publish(self, message: Message, mandatory: bool, sent: list[Message]) -> None:
        channel = self._ready_channel(message.exchange)
        if channel is None:
            channel = await self._prepare(message.exchange)
        try:
            confirm = channel.send(message, mandatory)
        except aiormq.ChannelInvalidStateError as error:
            raise Lost("the publishing channel was closed") from error
        sent.append(message)
        self._in_flight += 1
        try:
            await self._confirmed(confirm, message.exchange)
        finally:
            self._in_flight -= 1

    @contextlib.asynccontextmanager
    async def _alone(self, message_id: str | None) -> AsyncIterator[None]:
        """Wait until no mandatory message with this id is in flight, and register this one.

        RabbitMQ returns a message without saying which of several with the same id it was.
        """
        while (earlier := self._returnable.get(message_id)) is not None:
            await asyncio.wait([earlier])
        done = self._returnable[message_id] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._returnable[message_id]
            done.set_result(None)

    def _ready_channel(self, exchange_name: str) -> ConfirmChannel | None:
        """Return the channel if a message can be written at once, with no other waiting."""
        channel = self._channel
        if self._preparing or channel is None or channel.is_closed or self._pair.take_no_more:
            return None
        return channel if exchange_name in self._pair.known_exchanges else None

    async def _prepare(self, exchange_name: str) -> ConfirmChannel:
        """Wait for the exchange, the channel and free capacity, one publish at a time, in order.

        The caller then writes the message without awaiting, so the next publish cannot overtake.
        """
        self._preparing += 1
        try:
            async with self._preparing_lock:
                await self._pair.verify_exchange(exchange_name)
                channel = self._channel
                if channel is None or channel.is_closed:
                    channel = await to_the_end(self._open())
                await self._pair.room()
                return channel
        finally:
            self._preparing -= 1

    async def _open(self) -> ConfirmChannel:
        channel = await self._pair.publishing_channel()
        self._channel = channel
        if self._is_closed:
            await self.close()
            raise Lost("the channel was closed meanwhile")
        if self._on_reply is not None:
            await self._begin_replies(channel, self._on_reply)
        return channel

    async def hear_replies(self, on_reply: Callable[[Delivery], None]) -> None:
        """Pass on replies. They arrive on the AMQP channel that the requests are sent on."""
        async with self._preparing_lock:
            if self._on_reply is not None:
                return
            channel = self._channel
            if channel is None or channel.is_closed:
                channel = await to_the_end(self._open())
            await to_the_end(self._begin_replies(channel, on_reply))
            self._on_reply = on_reply

    async def _begin_replies(
        self, channel: ConfirmChannel, on_reply: Callable[[Delivery], None]
    ) -> None:
        async def deliver(arrived: DeliveredMessage) -> None:
            on_reply(delivery_of(arrived))

        channel.write_out()
        await answered(in_time(channel.basic_consume(DIRECT_REPLY_TO, deliver, no_ack=True)))

    async def _confirmed(self, confirm: asyncio.Future[None], exchange_name: str) -> None:
        try:
            await confirm
        except asyncio.CancelledError as error:
            if was_cancelled():
                raise
            raise Unconfirmed("the publishing channel was closed") from error
        except Exception as error:
            outcome = self._outcome(error, exchange_name)
            if outcome is None:
                raise
            raise outcome from error

    def _outcome(self, error: Exception, exchange_name: str) -> Refused | Unconfirmed | None:
        """Return the outcome of a publish for an error; None if RabbitMQ did not cause it."""
        if isinstance(error, aiormq.exceptions.PublishError):
            return Refused(Refused.NO_ROUTE, "NO_ROUTE")
        if isinstance(error, aiormq.exceptions.DeliveryError):
            return Refused(Refused.NACK, "NACK - the broker did not take the message")
        if isinstance(error, REFUSED):
            self._pair.forget_exchange(exchange_name)
            # RabbitMQ gives the reason for closing the channel, but not the message.
            if self._in_flight == 1:
                return refusal(error)
            return Unconfirmed(f"the publishing channel was closed: {error}")
        if isinstance(error, GONE) or is_nameless(error):
            return Unconfirmed(f"the publishing connection was closed: {error}")
        return None
