"""The port: what a broker must be able to do for mooq, in AMQP's verbs, over bytes.

Everything above this port is written once. Everything below it answers in the same three ways:
a result, :class:`~mooq.errors.Refused` with the broker's code and words, or
:class:`~mooq.errors.Lost` when the connection is gone. Verbs may be cancelled at any instant
without harm to the channel, and nothing but :meth:`TransportChannel.consume` can end a consumer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mooq.basics.address import Address
from mooq.errors import Refused
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.message import Delivery, Message, Outcome

GOODBYE_TIMEOUT = 3.0  # seconds for an answer that only says that an end was understood


class Receiver(NamedTuple):
    """What a consumer calls: for each delivery, and when the broker ends it with its queue."""

    on_delivery: Callable[[Delivery], None]
    on_cancel: Callable[[], None]


class Transport(ABC):
    """One connection to one broker, by one of its nodes.

    ``on_lost`` is called once for each time that the connection, or one AMQP channel of it that
    had consumers, ends without having been closed by :meth:`close`.
    """

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] = lambda: None

    @property
    @abstractmethod
    def address(self) -> Address:
        """The node that it is connected to, or was, or is about to be."""

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether :meth:`open` must be called before anything else can be done."""

    @property
    @abstractmethod
    def channel_max(self) -> int:
        """The most AMQP channels that a connection may have, as the broker said last; 0 before."""

    @abstractmethod
    async def open(self, timeout: float) -> None:
        """Connect, or connect again, with ``timeout`` seconds for each node there is.

        Raises :class:`~mooq.BrokerConnectionError`, saying which of its reasons.
        """

    @abstractmethod
    def channel(self) -> TransportChannel:
        """Return a new channel, to be opened by its own :meth:`TransportChannel.open`."""

    @abstractmethod
    def abandon(self) -> None:
        """Hang up: the event loop that the connection belongs to is closed. Never used again."""

    @abstractmethod
    async def close(self) -> None:
        """Say goodbye and disconnect; whatever is unacknowledged goes back to its queue.

        Ends soon, whether or not the broker answers.
        """


class TransportChannel(ABC):
    """The verbs of one channel. It outlives a lost connection: open it again, consume again."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def address(self) -> Address:
        """Where its connection leads."""
        return self._transport.address

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether the consumers of this channel are gone and :meth:`open` must be called."""

    @property
    @abstractmethod
    def closed_by(self) -> Refused | None:
        """The reason for which the broker closed the channel of the consumers, if it did."""

    @abstractmethod
    async def open(self) -> None:
        """Begin, or begin anew after a loss, without consumers."""

    @abstractmethod
    async def declare_exchange(self, exchange: Exchange) -> None:
        """Make sure that this exchange exists."""

    @abstractmethod
    async def has_exchange(self, exchange_name: str) -> bool:
        """Return whether an exchange exists right now; the default one ``""`` always does."""

    @abstractmethod
    async def declare_queue(self, queue: Queue) -> str:
        """Make sure that this queue exists; return its name, the broker's own for ``""``."""

    @abstractmethod
    async def delete_queue(self, queue_name: str) -> None:
        """Delete a queue with its messages; nothing happens when there is none."""

    @abstractmethod
    async def count_ready(self, queue_name: str) -> int | None:
        """Return how many messages of a queue wait for a consumer; None without such a queue.

        That is as of now: what the queue was sent before may still await its turn. A
        :meth:`get` is answered in its turn, after all that was sent before.
        """

    @abstractmethod
    async def bind(
        self,
        queue_name: str,
        exchange_name: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Let messages flow from an exchange to a queue; binding twice is binding once."""

    @abstractmethod
    async def publish(self, message: Message, mandatory: bool, timeout: float) -> None:
        """Return once the broker has confirmed the message.

        Raises :class:`Refused` when the broker did not take it, :class:`Lost` when it was not
        sent, :class:`Unconfirmed` when it was sent and ``timeout`` seconds or the connection
        ended before an answer.
        """

    @abstractmethod
    async def hear_replies(self, on_reply: Callable[[Delivery], None]) -> None:
        """Have the replies handed on to what is published here from now on with direct reply-to.

        Those to what was published before a loss never come. Asking again changes nothing.
        """

    @abstractmethod
    async def consume(self, queue_name: str, prefetch_count: int, receiver: Receiver) -> str:
        """Have deliveries handed on, at most ``prefetch_count`` unsettled; return the tag."""

    @abstractmethod
    async def cancel(self, consumer_tag: str) -> None:
        """End a consumer; what it holds stays held until settled."""

    @abstractmethod
    async def get(self, queue_name: str) -> Delivery | None:
        """Take one message off a queue; None when it is empty."""

    @abstractmethod
    async def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """End a delivery. Nothing happens when its connection ended first: it was requeued."""

    @abstractmethod
    def holds(self, delivery: Delivery) -> bool:
        """Return whether a delivery can still be settled: its AMQP channel is open."""

    @abstractmethod
    async def flush(self) -> None:
        """Return when everything that the broker had sent to this channel has arrived."""

    @abstractmethod
    async def close(self) -> None:
        """End the channel and its consumers; whatever they hold goes back to its queue."""
