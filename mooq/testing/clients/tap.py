"""The tap on one client connection, which reads the frames of both sides.

The client sees the same frames as without it. The tap changes two things on their way to the
broker. It makes every message mandatory, to detect unroutable ones, and drops the returns that the
client did not ask for. For redelivery, it turns a message's first acknowledgement into a requeue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from mooq.amqp import methods
from mooq.amqp.frames import FRAME, METHOD, method_frame
from mooq.amqp.inspection import FrameSplitter, PartialContent
from mooq.amqp.methods import METHODS, DamagedFields, DamagedText, Method, Values
from mooq.amqp.properties import PropertiesError
from mooq.amqp.tables import TableError
from mooq.testing.clients.channel import ClientChannel, Consumer, Request
from mooq.testing.recorder import Event
from mooq.transports.message import DIRECT_REPLY_TO

if TYPE_CHECKING:
    from mooq.testing.clients.activity import ClientActivity

_START = FRAME.size
_ANSWERED = frozenset(
    method.name.removesuffix("-ok")
    for method in METHODS.values()
    if method.name.endswith("-ok") and method is not methods.BASIC_CREDIT_OK
)
"""The methods that the broker answers."""
_MANDATORY = 1
OWN_PROPERTY = "mooq"
"""The client property of mooq's own connections, which are observed elsewhere."""


class Tap:
    """Observes one connection, from its first byte to its end."""

    def __init__(self, activity: ClientActivity) -> None:
        self.channels: dict[int, ClientChannel] = {}
        self.is_observed: bool = True
        self.channel_max: int = 2047
        self.hidden: dict[int, ClientChannel] = {}
        """The channels that the client does not see."""
        self._activity = activity
        self._requests = FrameSplitter()
        self._answers = FrameSplitter()

    def from_client(self, data: bytes) -> bytes:
        """Return the bytes for the broker from these bytes of the client."""
        return b"".join(self._passed(self._requests, data, self._request))

    def to_client(self, data: bytes) -> bytes:
        """Return the bytes for the client from these bytes of the broker."""
        return b"".join(self._passed(self._answers, data, self._answer))

    @property
    def consumers(self) -> list[Consumer]:
        """The consumers of all channels."""
        channels = list(self.channels.values())
        return [one for channel in channels for one in list(channel.consumers.values())]

    def close(self) -> None:
        """Record that the connection has ended."""
        self._end_all()
        self._activity.forget(self)

    def _end_all(self) -> None:
        """Close all channels, because the connection is closing."""
        for channel in [*self.channels.values(), *self.hidden.values()]:
            channel.end()
        self.channels.clear()
        self.hidden.clear()

    def _passed(
        self,
        splitter: FrameSplitter,
        data: bytes,
        look: Callable[[int, ClientChannel | None, int, bytes, bytes], list[bytes]],
    ) -> list[bytes]:
        """Return the data to pass on, in pieces; unreadable data passes unchanged."""
        passed: list[bytes] = []
        for piece in splitter.feed(data):
            if not self.is_observed or splitter.is_opaque or piece[0] not in (1, 2, 3):
                passed.append(piece)
                continue
            number = piece[1] << 8 | piece[2]
            channel = self.channels.get(number) or self.hidden.get(number)
            try:
                passed += look(number, channel, piece[0], piece[_START:-1], piece)
            except (DamagedFields, DamagedText, TableError, PropertiesError):
                passed.append(piece)
        return passed

    # From the client

    def _request(
        self, number: int, channel: ClientChannel | None, kind: int, payload: bytes, frame: bytes
    ) -> list[bytes]:
        if kind != METHOD:
            if channel is not None and channel.publishing is not None:
                content = channel.publishing
                if content.take(kind, payload):
                    channel.publishing = None
                    exchange, routing_key, mandatory = content.values[1:4]
                    channel.returns.publish(content.fingerprint, mandatory)
                    channel.published(content.message(exchange, routing_key))
            return [frame]
        method = _method_of(payload)
        if method is methods.BASIC_PUBLISH and channel is not None:
            values = method.decode(payload[4:])
            channel.publishing = PartialContent(method, values)
            if not values[1] and values[2].startswith(DIRECT_REPLY_TO):
                return [frame]  # RabbitMQ returns a mandatory reply although it delivers it
            return [frame[:-2] + bytes((payload[-1] | _MANDATORY, frame[-1]))]
        values = method.decode(payload[4:])
        if number == 0:
            self._connection_request(method, values)
        elif method is methods.CHANNEL_OPEN:
            serial = self._activity.observer.next_channel()
            channel = self.channels[number] = ClientChannel(number, self._activity, serial)
            channel.requests.append(Request(method, values))
        elif channel is not None:
            return self._channel_request(channel, method, values, frame)
        return [frame]

    def _connection_request(self, method: Method, values: Values) -> None:
        if method is methods.CONNECTION_START_OK:
            self.is_observed = OWN_PROPERTY not in values[0]
        elif method is methods.CONNECTION_TUNE_OK:
            self.channel_max = values[0] or self.channel_max
        elif method is methods.CONNECTION_CLOSE:
            self._end_all()

    def _channel_request(
        self, channel: ClientChannel, method: Method, values: Values, frame: bytes
    ) -> list[bytes]:
        if method in self._settlements:
            return self._settle(channel, method, values, frame)
        named = dict(zip((name for name, _ in method.fields), values, strict=True))
        if method is methods.CHANNEL_CLOSE or method is methods.CHANNEL_CLOSE_OK:
            self._end(channel, is_over=method is methods.CHANNEL_CLOSE_OK)
            return [frame]
        if method is methods.BASIC_CONSUME and named["consumer_tag"]:
            channel.consume(named["consumer_tag"], named["queue"], named["no_ack"])
        elif method is methods.QUEUE_DECLARE:
            self._declared(channel, named)
        elif method is methods.CONFIRM_SELECT:
            channel.is_confirming = True
        elif method is methods.TX_SELECT:
            channel.begin_transaction()
        elif method is methods.BASIC_CANCEL and named["nowait"]:
            channel.consumers.pop(named["consumer_tag"], None)
        if method.name in _ANSWERED and not named.get("nowait"):
            channel.requests.append(Request(method, values))
        self._activity.happen()
        return [frame]

    def _declared(self, channel: ClientChannel, named: dict[str, Any]) -> None:
        observer = self._activity.observer
        if name := named["queue"]:
            channel.last_queue = name
            observer.queues.add(name)
            exchange = named["arguments"].get("x-dead-letter-exchange")
            if isinstance(exchange, str) and not named["passive"]:
                observer.dead_letter_exchanges[name] = exchange

    _settlements: ClassVar[dict[Method, Event | None]] = {
        methods.BASIC_ACK: Event.ACKNOWLEDGED,
        methods.BASIC_NACK: None,
        methods.BASIC_REJECT: None,
        methods.BASIC_RECOVER: Event.REQUEUED,
        methods.BASIC_RECOVER_ASYNC: Event.REQUEUED,
    }

    def _settle(
        self, channel: ClientChannel, method: Method, values: Values, frame: bytes
    ) -> list[bytes]:
        event = self._settlements[method] or (Event.REQUEUED if values[-1] else Event.REJECTED)
        if method in (methods.BASIC_RECOVER, methods.BASIC_RECOVER_ASYNC):
            tags = list(channel.unsettled)
            if method is methods.BASIC_RECOVER:
                channel.requests.append(Request(method, values))
        else:
            multiple = method is not methods.BASIC_REJECT and values[1]
            tags = channel.covered(values[0], multiple)
        frames = [frame]
        if event is Event.ACKNOWLEDGED and self._activity.observer.redelivers:
            frames = [self._acknowledgement(channel, tag) for tag in tags] or frames
        channel.settled(event, tags)
        return frames

    def _acknowledgement(self, channel: ClientChannel, tag: int) -> bytes:
        """Return the acknowledgement of one delivery, or for its first one a requeue."""
        delivery = channel.unsettled[tag]
        if delivery.is_consumed and not delivery.redelivered:
            return method_frame(channel.number, methods.BASIC_NACK, tag, False, True)
        return method_frame(channel.number, methods.BASIC_ACK, tag, False)

    def _end(self, channel: ClientChannel, *, is_over: bool) -> None:
        channel.end()
        if is_over and self.channels.get(channel.number) is channel:
            del self.channels[channel.number]

    # To the client

    def _answer(
        self, number: int, channel: ClientChannel | None, kind: int, payload: bytes, frame: bytes
    ) -> list[bytes]:
        if channel is None:
            if number == 0 and payload.startswith(methods.CONNECTION_CLOSE.ids):
                self._end_all()
            return [frame]
        is_hidden = number in self.hidden
        if kind != METHOD:
            passed = self._content(channel, kind, payload, frame)
        else:
            method = _method_of(payload)
            values = method.decode(payload[4:])
            passed = self._channel_answer(channel, method, values, frame)
        return [] if is_hidden else passed

    def _channel_answer(
        self, channel: ClientChannel, method: Method, values: Values, frame: bytes
    ) -> list[bytes]:
        if method in (methods.BASIC_ACK, methods.BASIC_NACK):
            channel.confirmed(values[0], values[1])
        elif method is methods.BASIC_DELIVER:
            return [self._deliver(channel, method, values, frame)]
        elif method is methods.BASIC_RETURN:
            channel.arriving = PartialContent(method, values)
            channel.returning = [frame]
            return []
        elif method is methods.BASIC_CANCEL:
            channel.consumers.pop(values[0], None)
            self._activity.happen()
        elif method is methods.CHANNEL_CLOSE:
            channel.end()
        elif method is methods.CHANNEL_CLOSE_OK and channel.number in self.channels:
            del self.channels[channel.number]
            self._activity.happen()
        elif method is methods.BASIC_GET_OK:
            channel.arriving = PartialContent(method, values)
        elif method.name.endswith("-ok") or method is methods.BASIC_GET_EMPTY:
            return self._answered(channel, method, values, frame)
        return [frame]

    def _deliver(
        self, channel: ClientChannel, method: Method, values: Values, frame: bytes
    ) -> bytes:
        """Record a delivery; one that a probe has requeued is new to the client."""
        consumer = channel.consumers.get(values[0])
        put_back = self._activity.put_back
        if consumer is not None and values[2] and put_back[consumer.queue_name] > 0:
            put_back[consumer.queue_name] -= 1
            values = (*values[:2], False, *values[3:])
            frame = method_frame(channel.number, method, *values)
        channel.arriving = PartialContent(method, values)
        return frame

    def _answered(
        self, channel: ClientChannel, method: Method, values: Values, frame: bytes
    ) -> list[bytes]:
        if not channel.requests:
            return [frame]
        request = channel.requests.popleft()
        if request.on_answer is not None:
            request.on_answer(method, values)
            return []
        if method is methods.CHANNEL_OPEN_OK:
            channel.is_open = True
        elif method is methods.QUEUE_DECLARE_OK:
            channel.last_queue = values[0]
            self._activity.observer.queues.add(values[0])
        elif method is methods.BASIC_CONSUME_OK and not request.values[2]:
            channel.consume(values[0], request.values[1], request.values[4])
        elif method is methods.BASIC_CANCEL_OK:
            channel.consumers.pop(values[0], None)
        elif method in (methods.TX_COMMIT_OK, methods.TX_ROLLBACK_OK):
            channel.end_transaction(is_committed=method is methods.TX_COMMIT_OK)
        self._activity.happen()
        return [frame]

    def _content(
        self, channel: ClientChannel, kind: int, payload: bytes, frame: bytes
    ) -> list[bytes]:
        content = channel.arriving
        if channel.returning is not None:
            channel.returning.append(frame)
        if content is None or not content.take(kind, payload):
            return [] if channel.returning is not None else [frame]
        channel.arriving = None
        exchange_at = 3 if content.method is methods.BASIC_DELIVER else 2
        message = content.message(*content.values[exchange_at : exchange_at + 2])
        if content.method is methods.BASIC_RETURN:
            frames, channel.returning = channel.returning or [], None
            is_wanted = channel.returns.is_wanted(content.fingerprint)
            channel.returned(message, is_told=is_wanted)
            return frames if is_wanted else []
        if content.method is methods.BASIC_DELIVER:
            channel.delivered(message, content.values)
        else:
            self._got(channel, message, content.values)
        return [frame]

    def _got(self, channel: ClientChannel, message: Any, values: Values) -> None:
        """Record the answer to basic.get."""
        if not channel.requests:
            return
        request = channel.requests.popleft()
        if request.on_answer is not None:
            request.on_answer(methods.BASIC_GET_OK, values)
        else:
            channel.got(message, values, request.values)


def _method_of(payload: bytes) -> Method:
    method = METHODS.get(int.from_bytes(payload[:4], "big"))
    if method is None:
        raise DamagedFields("there is no such method")
    return method
