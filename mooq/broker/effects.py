"""Effects: what the broker sends besides the reply to a request, such as deliveries.

A request returns its reply. Its effects, on any connection, are appended to ``broker.outbox`` in
order. The caller sends the reply first and then drains the outbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from mooq.broker.broker import Connection
    from mooq.broker.channel import Channel
    from mooq.broker.message import Message
    from mooq.broker.refusals import Refusal


class Delivered:
    """A message for a consumer (basic.deliver)."""

    is_of_connection: ClassVar[bool] = False
    __slots__ = ("channel", "consumer_tag", "delivery_tag", "message", "redelivered")

    def __init__(
        self,
        channel: Channel,
        consumer_tag: str,
        delivery_tag: int,
        redelivered: bool,
        message: Message,
    ) -> None:
        self.channel: Channel = channel
        self.consumer_tag: str = consumer_tag
        self.delivery_tag: int = delivery_tag
        self.redelivered: bool = redelivered
        self.message: Message = message


class Returned:
    """A mandatory message that was not routed to any queue (basic.return)."""

    is_of_connection: ClassVar[bool] = False
    __slots__ = ("channel", "code", "message", "text")

    def __init__(self, channel: Channel, code: int, text: str, message: Message) -> None:
        self.channel: Channel = channel
        self.code: int = code
        self.text: str = text
        self.message: Message = message


class Confirmed:
    """A publisher confirm: basic.ack, or basic.nack for a message that a queue refused."""

    is_of_connection: ClassVar[bool] = False
    __slots__ = ("channel", "delivery_tag", "is_ack", "multiple")

    def __init__(self, channel: Channel, delivery_tag: int, multiple: bool, is_ack: bool) -> None:
        self.channel: Channel = channel
        self.delivery_tag: int = delivery_tag
        self.multiple: bool = multiple
        self.is_ack: bool = is_ack


class ConsumerCancelled:
    """A consumer that the broker cancelled (basic.cancel, for clients with that capability)."""

    is_of_connection: ClassVar[bool] = False
    __slots__ = ("channel", "consumer_tag")

    def __init__(self, channel: Channel, consumer_tag: str) -> None:
        self.channel: Channel = channel
        self.consumer_tag: str = consumer_tag


class ChannelClosed:
    """A channel that the broker closed for a reason other than a request (channel.close)."""

    is_of_connection: ClassVar[bool] = False
    __slots__ = ("channel", "refusal")

    def __init__(self, channel: Channel, refusal: Refusal) -> None:
        self.channel: Channel = channel
        self.refusal: Refusal = refusal


class ConnectionClosed:
    """A connection that the broker closed (connection.close), or dropped if without a refusal."""

    is_of_connection: ClassVar[bool] = True
    __slots__ = ("connection", "refusal")

    def __init__(self, connection: Connection, refusal: Refusal | None) -> None:
        self.connection: Connection = connection
        self.refusal: Refusal | None = refusal


class Blocked:
    """A publishing connection that an alarm blocks (connection.blocked)."""

    is_of_connection: ClassVar[bool] = True
    __slots__ = ("connection", "reason")

    def __init__(self, connection: Connection, reason: str) -> None:
        self.connection: Connection = connection
        self.reason: str = reason


class Unblocked:
    """A connection that is no longer blocked (connection.unblocked)."""

    is_of_connection: ClassVar[bool] = True
    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection: Connection = connection


Effect: TypeAlias = (
    Delivered
    | Returned
    | Confirmed
    | ConsumerCancelled
    | ChannelClosed
    | ConnectionClosed
    | Blocked
    | Unblocked
)
