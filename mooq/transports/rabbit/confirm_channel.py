"""An AMQP channel for publishing: messages in the order of the calls, and a confirm for each.

Here a confirm is looked up by its number. aiormq's ``basic_publish`` searches all messages in
flight for each confirm.
"""

from __future__ import annotations

import asyncio

import aiormq
from aiormq.abc import ConfirmationFrameType
from aiormq.exceptions import DeliveryError
from pamqp.commands import Basic

from mooq.amqp.frames import content_parts
from mooq.amqp.methods import BASIC_PUBLISH
from mooq.broker.message import Message as BrokerMessage
from mooq.transports.broker_messages import ClientProperties
from mooq.transports.message import Message
from mooq.transports.rabbit.buffered_channel import BufferedChannel


class ConfirmChannel(BufferedChannel):
    """A channel in confirm mode."""

    has_confirms = True

    def send(self, message: Message, mandatory: bool) -> asyncio.Future[None]:
        """Write a message after those of earlier calls; return a future for its confirm.

        The future raises aiormq's ``PublishError`` for an unroutable mandatory message,
        ``DeliveryError`` for one that RabbitMQ did not accept, and the reason if the channel was
        closed. Mandatory messages in flight must have different ids, because RabbitMQ returns a
        message without its number. Raises ``ChannelInvalidStateError`` if nothing was written.
        """
        if self.is_closed:
            raise aiormq.ChannelInvalidStateError(f"{self!r} closed")
        self._unwritten.append(self._encoded(message, mandatory))
        self.delivery_tag += 1  # RabbitMQ counts too
        confirm = self.confirmations[self.delivery_tag] = self.loop.create_future()
        if mandatory and message.message_id is not None:
            self._expect_return(message.message_id, self.delivery_tag, confirm)
        if len(self.confirmations) == 1:
            self.write_out()  # the only message in flight, so write it at once
        else:
            self._write_soon()
        return confirm

    def _encoded(self, message: Message, mandatory: bool) -> bytes:
        """Return a publish as frames, encoded by mooq, because pamqp lacks doubles and bytes."""
        payload = BASIC_PUBLISH.encode(0, message.exchange, message.routing_key, mandatory, False)
        frames = content_parts(
            self.number,
            payload,
            BrokerMessage(
                message.body, message.exchange, message.routing_key, ClientProperties(message)
            ),
            self.connection.connection_tune.frame_max,
        )
        return b"".join(frames)

    def _expect_return(self, message_id: str, number: int, confirm: asyncio.Future[None]) -> None:
        """Let aiormq find the message by its id if RabbitMQ returns it."""

        def forget(_: asyncio.Future[None]) -> None:
            self.message_id_delivery_tag.pop(message_id, None)
            self.confirmations.pop(number, None)  # aiormq keeps that of a returned one

        self.message_id_delivery_tag[message_id] = number
        confirm.add_done_callback(forget)

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        last = frame.delivery_tag or 0
        if isinstance(frame, Basic.Reject) or not frame.multiple:
            self._confirm(last, frame)
            return
        while self.confirmations:  # in the order of their numbers
            number = next(iter(self.confirmations))
            if number > last:
                break
            self._confirm(number, frame)

    def _confirm(self, number: int, frame: ConfirmationFrameType) -> None:
        confirm = self.confirmations.pop(number, None)
        if confirm is None or confirm.done():
            return  # already returned, or nothing waits for it
        if isinstance(frame, Basic.Ack):
            confirm.set_result(None)
        else:
            confirm.set_exception(DeliveryError(None, frame))

    def _closed(self, closing: asyncio.Future[None]) -> None:
        """Fail all pending confirms with the reason for the close."""
        super()._closed(closing)
        reason = None if closing.cancelled() else closing.exception()
        for confirm in self.confirmations.values():
            if not confirm.done():
                confirm.set_exception(
                    reason if isinstance(reason, Exception) else aiormq.ChannelClosed(None, None)
                )
                confirm.exception()  # mark it as retrieved, in case nothing waits for it
        self.confirmations.clear()
