"""Publishing on a channel: messages, requests, and replies to requests."""

from __future__ import annotations

import asyncio
from datetime import datetime
from secrets import token_hex
from typing import Never

from mooq.basics.wording import in_seconds
from mooq.client import refusals
from mooq.client.codec import decode, encode, encode_as
from mooq.client.declarations import DeclaringChannel
from mooq.client.headers import check_headers
from mooq.client.positional import keyword_only, of_channel, refuse_positional
from mooq.client.properties import USUAL, check_bool, with_properties
from mooq.client.recovery import check_timeout
from mooq.client.requests import ANSWER_TIMEOUT
from mooq.errors import NoReply, PublishUnconfirmed, Refused, Unconfirmed
from mooq.transports.base import TransportChannel
from mooq.transports.declarations import check_exchange_name, check_routing_key
from mooq.transports.message import (
    DIRECT_REPLY_TO,
    JSON_TYPE,
    Delivery,
    Headers,
    IncomingMessage,
    Message,
    check_message_id,
    new_message_id,
)


class PublishingChannel(DeclaringChannel):
    """A channel's methods that publish."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[str, asyncio.Future[Delivery]] = {}
        self._hears_replies_on: TransportChannel | None = None

    @of_channel
    @keyword_only
    async def publish(
        self,
        *positional: Never,
        exchange_name: str,
        msg: object,
        routing_key: str = "",
        mandatory: bool = False,
        headers: Headers | None = None,
        message_id: str | None = None,
        timeout: float = ANSWER_TIMEOUT,
        content_type: str | None = None,
        content_encoding: str | None = None,
        persistent: bool = True,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        expiration: float | None = None,
        priority: int | None = None,
        type: str | None = None,
        timestamp: datetime | None = None,
        user_id: str | None = None,
        app_id: str | None = None,
    ) -> None:
        """Publish a message, and return when the broker has confirmed it.

        ``msg`` is anything that JSON can represent, up to 16 MiB; with a ``content_type`` or a
        ``content_encoding``, see :func:`mooq.client.codec.encode_as`. For ``headers``, see
        :func:`mooq.client.headers.check_headers`; for the other properties,
        :func:`mooq.client.properties.check_properties`. Concurrent calls share the channel and keep
        their order. With ``mandatory``, it is an error if no queue is bound for the message. A
        message gets a new ``message_id`` unless you pass one (up to 255 bytes). ``expiration`` is
        the number of seconds that the message may wait in a queue before it is dead-lettered.
        ``user_id`` must be the connection's user.

        There are three outcomes. The message is confirmed. Or it is refused, with
        :class:`~mooq.ExchangeNotFound`, :class:`~mooq.BadExchange`,
        :class:`~mooq.MessageUnroutable`, :class:`~mooq.BrokerInternalError` or
        :class:`~mooq.BrokerConnectionError`. Or the outcome is unknown,
        :class:`~mooq.PublishUnconfirmed`, because ``timeout`` seconds passed or the connection was
        lost first. Raises ``TypeError`` and ``ValueError`` for arguments, before anything is sent.
        """
        if positional:
            refuse_positional(positional, "publish(exchange_name=…, msg=…)")
        if self._requests.is_closed:
            self._requests.check_open()
        properties = (
            content_type,
            content_encoding,
            persistent,
            correlation_id,
            reply_to,
            expiration,
            priority,
            type,
            timestamp,
            user_id,
            app_id,
        )
        is_usual = persistent is True and properties == USUAL
        message = Message(
            encode(msg) if is_usual else encode_as(msg, content_type, content_encoding),
            check_exchange_name(exchange_name),
            check_routing_key(routing_key),
            new_message_id() if message_id is None else check_message_id(message_id),
            JSON_TYPE,
            None if headers is None else check_headers(headers),
        )
        if not is_usual:
            message = with_properties(message, *properties)
        if timeout is not ANSWER_TIMEOUT:  # the default needs no check
            check_timeout(timeout)
        if mandatory is not False:
            check_bool("mandatory", mandatory)
        try:
            await self._requests.ask(
                lambda seconds: self._internal.publish(message, mandatory, seconds), timeout
            )
        except (Refused, Unconfirmed) as error:
            raise self._failure(message, error) from error

    def _failure(self, message: Message, error: Refused | Unconfirmed) -> Exception:
        """Return the error for a publish that was not confirmed."""
        address = self._internal.address
        if isinstance(error, Refused):
            return refusals.of_exchange(error, message.exchange, address)
        return PublishUnconfirmed(
            f"message {message.message_id} to exchange {message.exchange!r} at {address} was sent "
            f"but not confirmed ({error}); it may have arrived: publish it again with the same "
            "message_id, so that receivers can detect a duplicate"
        )

    async def _publish_copy(self, message: Message) -> None:
        """Publish a message unchanged to a queue that must exist. Raises :class:`Refused`."""
        await self._requests.ask(lambda seconds: self._internal.publish(message, True, seconds))

    @of_channel
    async def request(
        self,
        *,
        exchange_name: str,
        msg: object,
        routing_key: str = "",
        timeout: float = ANSWER_TIMEOUT,
        headers: Headers | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        priority: int | None = None,
        type: str | None = None,
        app_id: str | None = None,
    ) -> IncomingMessage:
        """Publish a request, and return its reply, which must arrive within ``timeout`` seconds.

        The reply uses RabbitMQ's direct reply-to, without a queue. The arguments are those of
        :meth:`publish`. If no queue is bound for the request, it raises
        :class:`~mooq.MessageUnroutable` at once. A request that is not handled in time expires in
        its queue.

        Raises the errors of :meth:`publish`; :class:`~mooq.NoReply` if no reply arrived in time,
        also because the connection was lost; and ``ValueError`` if the reply's body does not match
        its content type.
        """
        check_timeout(timeout)
        self._requests.check_open()
        message = Message(
            encode_as(msg, content_type, content_encoding),
            check_exchange_name(exchange_name),
            check_routing_key(routing_key),
            new_message_id(),
            JSON_TYPE,
            None if headers is None else check_headers(headers),
        )
        correlation_id = token_hex(16)
        properties = (correlation_id, None, timeout, priority, type, None, None, app_id)
        message = with_properties(message, content_type, content_encoding, True, *properties)
        direct = message.properties._replace(reply_to=DIRECT_REPLY_TO)
        message = message._replace(properties=direct)
        loop = asyncio.get_running_loop()
        reply = self._waiting[correlation_id] = loop.create_future()
        try:
            async with asyncio.timeout(timeout):
                await self._hear_replies()
                await self._requests.ask(
                    lambda seconds: self._internal.publish(message, True, seconds), timeout
                )
                delivery = await reply
        except (Refused, Unconfirmed) as error:
            raise self._failure(message, error) from error
        except TimeoutError as error:
            raise NoReply(
                f"no reply came within {in_seconds(timeout)} to request {message.message_id}, sent "
                f"to exchange {exchange_name!r} at {self._internal.address} with routing key "
                f"{routing_key!r}"
            ) from error
        finally:
            del self._waiting[correlation_id]
        return decode(delivery)

    async def _hear_replies(self) -> None:
        internal = self._internal
        if self._hears_replies_on is not internal:
            await self._requests.ask(lambda _: internal.hear_replies(self._hear))
            self._hears_replies_on = internal

    def _hear(self, delivery: Delivery) -> None:
        """Pass a reply to the waiting request; ignore one that is late or repeated."""
        reply = self._waiting.get(delivery.message.properties.correlation_id or "")
        if reply is not None and not reply.done():
            reply.set_result(delivery)

    async def _reply(self, delivery: Delivery, result: object) -> None:
        """Publish a callback's result to the message's ``reply_to`` queue."""
        properties = delivery.message.properties
        if properties.reply_to:
            await self.publish(
                exchange_name="",
                routing_key=properties.reply_to,
                msg=result,
                correlation_id=properties.correlation_id,
            )
