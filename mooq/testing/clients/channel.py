"""The state of one client channel: consumers, unconfirmed and unsettled messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from mooq.amqp.inspection import PartialContent
from mooq.amqp.methods import Method, Values
from mooq.broker.message import Message as WireMessage
from mooq.testing.clients.returns import Returns
from mooq.testing.deaths import deaths_of
from mooq.testing.recorder import Event, Record
from mooq.transports.broker_messages import message_of
from mooq.transports.message import DIRECT_REPLY_TO, Message

if TYPE_CHECKING:
    from mooq.testing.clients.activity import ClientActivity


class Consumer(NamedTuple):
    """A consumer: its queue, and whether it acknowledges nothing."""

    queue_name: str
    no_ack: bool
    number: int
    """The number of the consumer in its queue, counted from 1."""


class Unsettled(NamedTuple):
    """An unsettled delivery."""

    message: Message
    queue_name: str
    redelivered: bool
    is_consumed: bool
    """Whether a consumer got it, instead of basic.get."""


class Request(NamedTuple):
    """An unanswered request."""

    method: Method
    values: Values
    on_answer: Callable[[Method, Values], None] | None = None
    """Receives the answer, if a probe asked instead of the client."""


class ClientChannel:
    """One channel, from channel.open to its end.

    ``serial`` is its number among all channels of the test.
    """

    def __init__(self, number: int, activity: ClientActivity, serial: int) -> None:
        self.number: int = number
        self.is_open: bool = False
        """Whether it is open on both sides."""
        self.requests: deque[Request] = deque()
        self.consumers: dict[str, Consumer] = {}
        self.unsettled: dict[int, Unsettled] = {}
        self.unconfirmed: dict[int, None] = {}
        self.last_queue: str = ""
        """The queue that an empty name refers to."""
        self.is_confirming: bool = False
        """Whether messages are confirmed; they are numbered from 1."""
        self.has_published_unconfirmed: bool = False
        self.publishing: PartialContent | None = None
        """A message whose frames have not all arrived."""
        self.arriving: PartialContent | None = None
        self.returning: list[bytes] | None = None
        """The frames of a message that is being returned."""
        self.returns: Returns = Returns()
        self._activity = activity
        self._serial = serial
        self._published = 0
        self._uncommitted: list[Record] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the channel waits for the client or for the broker."""
        return bool(self.unsettled or self.unconfirmed or self.publishing or self.own_requests)

    @property
    def own_requests(self) -> list[str]:
        """The client's own unanswered requests."""
        return [one.method.name for one in list(self.requests) if one.on_answer is None]

    def queue(self, name: str) -> str:
        """Return the name of the queue, resolving an empty name."""
        return name or self.last_queue

    def begin_transaction(self) -> None:
        """Keep records until they are committed."""
        if self._uncommitted is None:
            self._uncommitted = []

    def end_transaction(self, *, is_committed: bool) -> None:
        """Record what was committed; drop what was rolled back."""
        records, self._uncommitted = self._uncommitted or [], []
        if is_committed:
            for record in records:
                self._activity.happen(record)

    def published(self, message: WireMessage) -> None:
        """Record a message that the client has published."""
        if self.is_confirming:
            self._published += 1
            self.unconfirmed[self._published] = None
        elif self._uncommitted is None:
            self.has_published_unconfirmed = True
        self._record(Record(Event.PUBLISHED, message_of(message), channel=self._serial))

    def returned(self, message: WireMessage, *, is_told: bool) -> None:
        """Record an unroutable message, and whether the client is told."""
        if not is_told:
            self._activity.observer.unroutable.append((message.exchange, message.routing_key))
        self._activity.happen(Record(Event.UNROUTABLE, message_of(message)))

    def confirmed(self, delivery_tag: int, multiple: bool) -> None:
        """Record what the broker has confirmed or refused."""
        for tag in _covered(self.unconfirmed, delivery_tag, multiple):
            del self.unconfirmed[tag]
        self._activity.happen()

    def consume(self, consumer_tag: str, queue_name: str, no_ack: bool) -> None:
        """Record a consumer."""
        name = self.queue(queue_name)
        observer = self._activity.observer
        number = observer.consumers[name] = observer.consumers.get(name, 0) + 1
        if name != DIRECT_REPLY_TO:
            observer.queues.add(name)
        self.consumers[consumer_tag] = Consumer(name, no_ack, number)

    def delivered(self, message: WireMessage, values: Values) -> None:
        """Record a delivery to a consumer, from the values of basic.deliver."""
        consumer = self.consumers.get(values[0])
        if consumer is not None:
            self._arrived(
                message, values, consumer.queue_name, no_ack=consumer.no_ack, number=consumer.number
            )

    def got(self, message: WireMessage, values: Values, asked: Values) -> None:
        """Record the answer to basic.get: the values of basic.get-ok, and the request."""
        self._arrived(message, ("", *values), self.queue(asked[1]), no_ack=asked[2], number=None)

    def _arrived(
        self,
        wire_message: WireMessage,
        values: Values,
        queue_name: str,
        *,
        no_ack: bool,
        number: int | None,
    ) -> None:
        tag, redelivered = values[1], values[2]
        message = message_of(wire_message)
        for record in deaths_of(message, redelivered):
            self._activity.happen(record)
        if not no_ack:
            self.unsettled[tag] = Unsettled(message, queue_name, redelivered, number is not None)
        self._activity.happen(
            Record(Event.DELIVERED, message, queue_name, redelivered, consumer=number)
        )
        if no_ack:
            self._activity.happen(Record(Event.ACKNOWLEDGED, message, queue_name, redelivered))

    def covered(self, delivery_tag: int, multiple: bool) -> list[int]:
        """Return the tags of the unsettled deliveries that a settlement covers."""
        return _covered(self.unsettled, delivery_tag, multiple)

    def settled(self, event: Event, tags: list[int]) -> None:
        """Record how the client has settled deliveries."""
        for tag in tags:
            message, queue_name, redelivered, _ = self.unsettled.pop(tag)
            self._record(Record(event, message, queue_name, redelivered))

    def end(self) -> None:
        """Record that the channel has closed: unsettled messages return to their queues."""
        self.is_open = False
        self.consumers.clear()
        self.unconfirmed.clear()
        self.publishing = None
        for request in list(self.requests):
            if request.on_answer is not None:
                request.on_answer(request.method, ())
        self.requests.clear()
        self._uncommitted = None
        self.settled(Event.GIVEN_BACK, list(self.unsettled))
        self._activity.happen()

    def _record(self, record: Record) -> None:
        if self._uncommitted is not None:
            self._uncommitted.append(record)
        else:
            self._activity.happen(record)


def _covered(tags: dict[int, Any], delivery_tag: int, multiple: bool) -> list[int]:
    if not multiple:
        return [delivery_tag] if delivery_tag in tags else []
    return [tag for tag in tags if tag <= delivery_tag or not delivery_tag]
