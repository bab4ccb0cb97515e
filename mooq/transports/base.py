"""The transport interface: the AMQP operations that mooq needs from a broker.

The code above this interface is the same for every broker. Each operation has one of three
outcomes: a result, :class:`~mooq.errors.Refused` with the broker's code and text, or
:class:`~mooq.errors.Unanswered`, such as :class:`~mooq.errors.Lost` for a lost connection. A call
may be cancelled at any time without harm to the channel; a cancelled
:meth:`TransportChannel.consume` may leave no consumer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mooq.basics.address import Address
from mooq.errors import Refused
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.message import Delivery, Message, Outcome

GOODBYE_TIMEOUT = 3.0  # seconds to wait for the answer to a close or cancel


class Receiver(NamedTuple):
    """The functions called for each delivery, and when the broker cancels the consumer."""

    on_delivery: Callable[[Delivery], None]
    on_cancel: Callable[[], None]


class Transport(ABC):
    """One connection to a broker, through one of its nodes.

    ``on_lost`` is called each time that the connection, or one of its AMQP channels with consumers,
    ends without being closed by :meth:`close`.
    """

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] = lambda: None

    @property
    @abstractmethod
    def address(self) -> Address:
        """The current, last or next node."""

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether the connection is lost, so that :meth:`open` must be called."""

    @property
    @abstractmethod
    def channel_max(self) -> int:
        """The maximum number of AMQP channels, as the broker said last; 0 before."""

    @abstractmethod
    async def open(self, timeout: float) -> None:
        """Connect, or reconnect, with ``timeout`` seconds for each node.

        Raises :class:`~mooq.BrokerConnectionError` with the reason.
        """

    @abstractmethod
    def channel(self) -> TransportChannel:
        """Return a new channel; call its :meth:`TransportChannel.open` before use."""

    @abstractmethod
    def abandon(self) -> None:
        """Close the socket, because the connection's event loop is closed. Never used again."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection; unacknowledged messages return to their queues.

        Ends soon, whether or not the broker answers.
        """


class TransportChannel(ABC):
    """The methods of a channel. After a lost connection, open it again and consume again."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def address(self) -> Address:
        """The address of its connection."""
        return self._transport.address

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether the channel's consumers are lost, so that :meth:`open` must be called."""

    @property
    @abstractmethod
    def closed_by(self) -> Refused | None:
        """The broker's reason for closing the consumers' channel, if it did."""

    @abstractmethod
    async def open(self) -> None:
        """Open, or reopen after a loss, without consumers."""

    @abstractmethod
    async def declare_exchange(self, exchange: Exchange) -> None:
        """Declare an exchange."""

    @abstractmethod
    async def has_exchange(self, exchange_name: str) -> bool:
        """Return whether an exchange exists now; the default exchange ``""`` always does."""

    @abstractmethod
    async def declare_queue(self, queue: Queue) -> str:
        """Declare a queue; return its name, which the broker generates for ``""``."""

    @abstractmethod
    async def delete_queue(self, queue_name: str) -> None:
        """Delete a queue with its messages. Does nothing if it does not exist."""

    @abstractmethod
    async def count_ready(self, queue_name: str) -> int | None:
        """Return the number of ready messages in a queue; None if the queue does not exist.

        The count may be too early: the queue may not have handled everything it was sent. A
        :meth:`get` is answered only after that.
        """

    @abstractmethod
    async def bind(
        self,
        queue_name: str,
        exchange_name: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Bind a queue to an exchange. Binding twice is safe."""

    @abstractmethod
    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        """Publish a message; return when the broker has confirmed it.

        Raises :class:`Refused` if the broker did not accept it, :class:`Lost` if it was not sent,
        and :class:`Unconfirmed` if it was sent but ``timeout`` seconds passed, or the connection
        was lost, before an answer.
        """

    @abstractmethod
    async def hear_replies(self, on_reply: Callable[[Delivery], None]) -> None:
        """Pass on the replies to messages published here from now on with direct reply-to.

        Replies to messages published before a loss never arrive. Calling it again is safe.
        """

    @abstractmethod
    async def consume(self, queue_name: str, prefetch_count: int, receiver: Receiver) -> str:
        """Consume with at most ``prefetch_count`` unsettled deliveries; return the tag."""

    @abstractmethod
    async def cancel(self, consumer_tag: str) -> None:
        """Cancel a consumer; its unsettled deliveries stay unsettled."""

    @abstractmethod
    async def get(self, queue_name: str) -> Delivery | None:
        """Get one message from a queue; None if it is empty."""

    @abstractmethod
    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Settle a delivery. Does nothing if its connection was lost: then it was requeued."""

    @abstractmethod
    def holds(self, delivery: Delivery) -> bool:
        """Return whether a delivery can still be settled: its AMQP channel is open."""

    @abstractmethod
    async def flush(self) -> None:
        """Return when everything that the broker sent to this channel has arrived."""

    @abstractmethod
    async def close(self) -> None:
        """Close the channel and its consumers; unsettled messages return to their queues."""
