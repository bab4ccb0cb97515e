"""Publishing on one AMQP channel of its own: order, confirms, and the three outcomes."""

from __future__ import annotations

import asyncio
import contextlib

import aiormq
from aiormq.channel import Channel
from pamqp.commands import Basic

from mooq.errors import Lost, Refused, Unconfirmed
from mooq.message import Message
from mooq.transports.rabbit.answers import (
    GONE,
    REFUSED,
    answered,
    is_nameless,
    refusal,
    to_the_end,
    was_cancelled,
)
from mooq.transports.rabbit.wires import Wires

PERSISTENT, TRANSIENT = 2, 1


class Publisher:
    """Publishes in the order of the calls, however many are in flight."""

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self._channel: Channel | None = None
        self._is_closed = False
        self._preparing = 0
        self._preparing_lock = asyncio.Lock()
        self._in_flight = 0
        self._ids: dict[str | None, asyncio.Future[None]] = {}

    async def close(self) -> None:
        """Close the AMQP channel; what is in flight stays unconfirmed."""
        self._is_closed = True
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(Lost, Refused):
                await answered(channel.close())

    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        """Return when RabbitMQ has confirmed the message; see ``TransportChannel.publish``."""
        sent = False
        done = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                # aiormq tells returned messages apart by their ids: one of each at a time.
                while (earlier := self._ids.get(message.message_id)) is not None:
                    await asyncio.wait([earlier])
                self._ids[message.message_id] = done
                channel = self._ready_channel(message.exchange)
                if channel is None:
                    channel = await self._prepare(message.exchange)
                sent = True
                self._in_flight += 1
                try:
                    await self._confirm(channel, message, mandatory)
                finally:
                    self._in_flight -= 1
        except TimeoutError as error:
            outcome = Unconfirmed if sent else Lost
            raise outcome(f"no answer from the broker within {timeout:g} s") from error
        finally:
            if self._ids.get(message.message_id) is done:
                del self._ids[message.message_id]
                done.set_result(None)

    def _ready_channel(self, exchange_name: str) -> Channel | None:
        """Return the channel if a message can be written at once, with none waiting before it."""
        channel = self._channel
        if self._preparing or channel is None or channel.is_closed:
            return None
        return channel if exchange_name in self._wires.known_exchanges else None

    async def _prepare(self, exchange_name: str) -> Channel:
        """Make sure of the exchange and of a channel, one publish at a time, in their order.

        Nothing is awaited between the end of this and the writing of the message, so the next in
        line cannot overtake.
        """
        self._preparing += 1
        try:
            async with self._preparing_lock:
                await self._wires.verify_exchange(exchange_name)
                channel = self._channel
                if channel is None or channel.is_closed:
                    channel = await to_the_end(self._open())
                return channel
        finally:
            self._preparing -= 1

    async def _open(self) -> Channel:
        channel = await self._wires.publishing_channel()
        self._channel = channel
        if self._is_closed:
            await self.close()
            raise Lost("the channel was closed meanwhile")
        return channel

    async def _confirm(self, channel: Channel, message: Message, mandatory: bool) -> None:
        properties = Basic.Properties(
            content_type=message.content_type,
            delivery_mode=PERSISTENT if message.persistent else TRANSIENT,
            headers=message.headers,  # type: ignore[arg-type]
            message_id=message.message_id,
        )
        try:
            await channel.basic_publish(
                message.body,
                exchange=message.exchange,
                routing_key=message.routing_key,
                mandatory=mandatory,
                properties=properties,
                wait=False,
            )
        except asyncio.CancelledError as error:
            if was_cancelled():
                raise
            raise Unconfirmed("the publishing channel was closed") from error
        except Exception as error:
            outcome = self._outcome(error, message.exchange)
            if outcome is None:
                raise
            raise outcome from error

    def _outcome(self, error: Exception, exchange_name: str) -> Refused | Lost | None:
        """Return what an error says of a publish; None for what RabbitMQ has no part in."""
        if isinstance(error, aiormq.exceptions.PublishError):
            return Refused(Refused.NO_ROUTE, "NO_ROUTE")
        if isinstance(error, aiormq.exceptions.DeliveryError):
            return Refused(Refused.NACK, "NACK - the broker did not take the message")
        if isinstance(error, aiormq.ChannelInvalidStateError):
            return Lost("the publishing channel was closed")
        if isinstance(error, REFUSED):
            self._wires.known_exchanges.discard(exchange_name)
            # RabbitMQ says why it closed the channel, but not which message it meant.
            if self._in_flight == 1:
                return refusal(error)
            return Unconfirmed(f"the publishing channel was closed: {error}")
        if isinstance(error, GONE) or is_nameless(error):
            return Unconfirmed(f"the publishing connection was closed: {error}")
        return None
