"""An AMQP channel that publishes with as little as confirms take: a number, and a future by it.

aiormq's own ``basic_publish`` writes each message by itself, keeps three registers, two locks and a
context manager for it, and looks at all that is in flight for each confirm. With hundreds in flight
that is most of what a publish costs.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Self

import aiormq
from aiormq.abc import AbstractConnection, ChannelFrame, ConfirmationFrameType
from aiormq.channel import Channel
from aiormq.exceptions import DeliveryError
from pamqp import frame as amqp
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from mooq.message import Message

PERSISTENT, TRANSIENT = 2, 1


class ConfirmingChannel(Channel):
    """A channel of aiormq's in confirm mode."""

    def __init__(self, connection: AbstractConnection, number: int) -> None:
        super().__init__(connection, number)
        self._unwritten: list[bytes] = []
        self._writing: asyncio.Future[None] | None = None
        self.closing.add_done_callback(self._reject)

    @classmethod
    async def on(cls, connection: AbstractConnection) -> Self:
        """Return a new channel of a connection, open."""
        number = next(number for number in count(1) if number not in connection.channels)
        channel = connection.channels[number] = cls(connection, number)
        await channel.open()
        return channel

    def send(self, message: Message, mandatory: bool) -> asyncio.Future[None]:
        """Write a message after those of earlier calls; return its confirm, to be awaited.

        The confirm raises aiormq's ``PublishError`` for a mandatory message that no queue was
        bound for, ``DeliveryError`` for one that RabbitMQ did not take, and why the channel was
        closed. Of mandatory messages in flight no two may have one id: RabbitMQ returns a message,
        not its number. Raises ``ChannelInvalidStateError`` when nothing was written.
        """
        if self.is_closed:
            raise aiormq.ChannelInvalidStateError(f"{self!r} closed")
        payload = self._marshal(message, mandatory)
        self.delivery_tag += 1  # RabbitMQ counts as well
        confirm = self.confirmations[self.delivery_tag] = self.loop.create_future()
        if mandatory and message.message_id is not None:
            self._expect_return(message.message_id, self.delivery_tag, confirm)
        self._unwritten.append(payload)
        if len(self.confirmations) == 1:
            self._write()
        elif len(self._unwritten) == 1:
            self.loop.call_soon(self._write)  # together with what else is published in this turn
        return confirm

    def _marshal(self, message: Message, mandatory: bool) -> bytes:
        properties = Basic.Properties(
            content_type=message.content_type,
            delivery_mode=PERSISTENT if message.persistent else TRANSIENT,
            headers=message.headers,  # type: ignore[arg-type]
            message_id=message.message_id,
        )
        method = Basic.Publish(
            exchange=message.exchange, routing_key=message.routing_key, mandatory=mandatory
        )
        header = ContentHeader(properties=properties, body_size=len(message.body))
        body = [amqp.marshal(part, self.number) for part in self._split_body(message.body)]
        return b"".join(
            (amqp.marshal(method, self.number), amqp.marshal(header, self.number), *body)
        )

    def _expect_return(self, message_id: str, number: int, confirm: asyncio.Future[None]) -> None:
        """Let aiormq find the message by its id, should RabbitMQ return it."""

        def forget(_: asyncio.Future[None]) -> None:
            self.message_id_delivery_tag.pop(message_id, None)
            self.confirmations.pop(number, None)  # of a returned one, aiormq keeps it out of order

        self.message_id_delivery_tag[message_id] = number
        confirm.add_done_callback(forget)

    def _write(self) -> None:
        """Hand what is unwritten to the connection, in one piece."""
        if self._unwritten and self._writing is None:
            frame = ChannelFrame(payload=b"".join(self._unwritten), should_close=False)
            self._unwritten.clear()
            try:
                self.write_queue.put_nowait(frame)
            except asyncio.QueueFull:
                self._writing = asyncio.ensure_future(self.write_queue.put(frame))
                self._writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if not writing.cancelled():
            self._write()

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

    def _reject(self, closing: asyncio.Future[None]) -> None:
        """Tell whoever waits that the channel is closed, and why."""
        if self._writing is not None:
            self._writing.cancel()
        reason = None if closing.cancelled() else closing.exception()
        for confirm in self.confirmations.values():
            if not confirm.done():
                confirm.set_exception(
                    reason if isinstance(reason, Exception) else aiormq.ChannelClosed(None, None)
                )
                confirm.exception()  # seen, should nobody wait any more
        self.confirmations.clear()
