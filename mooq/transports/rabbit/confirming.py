"""An AMQP channel to publish on: messages in the order of the calls, and a confirm for each.

aiormq's own ``basic_publish`` looks at everything in flight for each confirm; here a confirm is
looked up by its number.
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
from mooq.transports.rabbit.writing import WritingChannel


class ConfirmingChannel(WritingChannel):
    """A channel in confirm mode."""

    has_confirms = True

    def send(self, message: Message, mandatory: bool) -> asyncio.Future[None]:
        """Write a message after those of earlier calls; return its confirm, to be awaited.

        The confirm raises aiormq's ``PublishError`` for a mandatory message that no queue was
        bound for, ``DeliveryError`` for one that RabbitMQ did not take, and why the channel was
        closed. Of mandatory messages in flight no two may have one id: RabbitMQ returns a message,
        not its number. Raises ``ChannelInvalidStateError`` when nothing was written.
        """
        if self.is_closed:
            raise aiormq.ChannelInvalidStateError(f"{self!r} closed")
        self._unwritten.append(self._encoded(message, mandatory))
        self.delivery_tag += 1  # RabbitMQ counts as well
        confirm = self.confirmations[self.delivery_tag] = self.loop.create_future()
        if mandatory and message.message_id is not None:
            self._expect_return(message.message_id, self.delivery_tag, confirm)
        if len(self.confirmations) == 1:
            self.write_out()  # alone: nothing else to wait for
        else:
            self._write_soon()
        return confirm

    def _encoded(self, message: Message, mandatory: bool) -> bytes:
        """Return a publish as frames, by mooq's codec: pamqp has no double and no bytes."""
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
        """Let aiormq find the message by its id, should RabbitMQ return it."""

        def forget(_: asyncio.Future[None]) -> None:
            self.message_id_delivery_tag.pop(message_id, None)
            self.confirmations.pop(number, None)  # of a returned one, aiormq keeps it out of order

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
            return  # returned before, or nobody waits any more
        if isinstance(frame, Basic.Ack):
            confirm.set_result(None)
        else:
            confirm.set_exception(DeliveryError(None, frame))

    def _closed(self, closing: asyncio.Future[None]) -> None:
        """Tell whoever waits that the channel is closed, and why."""
        super()._closed(closing)
        reason = None if closing.cancelled() else closing.exception()
        for confirm in self.confirmations.values():
            if not confirm.done():
                confirm.set_exception(
                    reason if isinstance(reason, Exception) else aiormq.ChannelClosed(None, None)
                )
                confirm.exception()  # seen, should nobody wait any more
        self.confirmations.clear()
