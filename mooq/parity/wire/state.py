"""State of a program on a broker, as its client knows it: queues, consumers, deliveries."""

from __future__ import annotations

from collections import defaultdict

from mooq.amqp import methods
from mooq.parity.wire.client import Arrived
from mooq.parity.wire.flusher import ChannelId
from mooq.parity.wire.names import ProgramNames
from mooq.parity.wire.programs import EVERYTHING, MISUSE, Send, Settle

UNKNOWN_TAG = 999
UNANSWERED = frozenset(("basic.recover-async", "channel.flow", "channel.open"))
"""Methods without a reply, and methods that close the connection."""


class ProgramState:
    """The state after all requests and replies on the channels of one program."""

    def __init__(self, names: ProgramNames) -> None:
        self._names = names
        self.declared: set[str] = set()
        self.quorum: set[str] = set()
        """Quorum queues, by name."""
        self.owners: dict[str, int] = {}
        """The connection of each exclusive queue."""
        self.consumers: dict[tuple[int, int, str], str] = {}
        """The queue of each consumer."""
        self.confirming: dict[ChannelId, list[int]] = {}
        """By channel in confirm mode: the number of publishes, then the unconfirmed ones."""
        self.deleting: list[tuple[ChannelId, str]] = []
        """Queues that are being deleted without a reply."""
        self._without_ack: set[tuple[int, int, str]] = set()  # consumers with no_ack
        self._unsettled: defaultdict[ChannelId, list[int]] = defaultdict(list)
        self._unanswered: defaultdict[ChannelId, list[Send]] = defaultdict(list)
        self._last_queue: dict[ChannelId, str] = {}

    # Requests

    def publish(self, channel_id: ChannelId) -> None:
        """Note a publish."""
        if channel_id in self.confirming:
            self.confirming[channel_id][0] += 1
            self.confirming[channel_id].append(self.confirming[channel_id][0])

    def settle(self, channel_id: ChannelId, step: Settle) -> int | None:
        """Return the delivery tag that a step settles; None if nothing is unacknowledged."""
        tags = self._unsettled[channel_id]
        if not tags and step.index < MISUSE:
            return None
        tag = tags[step.index] if step.index < len(tags) else UNKNOWN_TAG
        if step.index == EVERYTHING:
            tag = 0
        last = tag or UNKNOWN_TAG
        is_multiple = step.multiple and step.method != "basic.reject"
        self._unsettled[channel_id] = [
            one for one in tags if one != tag and not (is_multiple and one < last)
        ]
        return tag

    def send(self, channel_id: ChannelId, step: Send) -> None:
        """Note a method."""
        if step.method.startswith("basic.recover"):
            self._unsettled[channel_id].clear()
        if step.fields.get("nowait"):
            self._send_nowait(channel_id, step)
        elif step.method not in UNANSWERED:
            self._unanswered[channel_id].append(step)

    def _send_nowait(self, channel_id: ChannelId, step: Send) -> None:
        """Apply a method without a reply, unless the broker refuses it."""
        if step.method == "queue.declare":
            queue = self._queue_of(channel_id, step)
            if queue not in self.declared:  # otherwise nothing changes, or this is refused
                self._declare(channel_id, queue, step)
        elif step.method == "confirm.select":
            self.confirming.setdefault(channel_id, [0])
        elif step.method == "basic.consume":
            self._consume(channel_id, step.fields["consumer_tag"], step)
        elif step.method == "basic.cancel":
            self.consumers.pop((*channel_id, step.fields["consumer_tag"]), None)
        elif step.method == "queue.delete":
            self.deleting.append((channel_id, self._queue_of(channel_id, step)))

    # Replies

    def deliver(self, channel_id: ChannelId, tag: str, delivery_tag: int) -> None:
        """Note a delivery."""
        if (*channel_id, tag) not in self._without_ack:
            self._unsettled[channel_id].append(delivery_tag)

    def answer(self, channel_id: ChannelId, one: Arrived) -> str | None:
        """Apply the reply to a method; return the queue that it deleted, if any."""
        asked = self._unanswered[channel_id]
        if one.method is methods.BASIC_RETURN or not asked:
            return None
        step = asked.pop(0)
        method = one.method
        if method is methods.QUEUE_DECLARE_OK:
            self._declare(channel_id, one.values[0], step)
        elif method is methods.CONFIRM_SELECT_OK:
            self.confirming.setdefault(channel_id, [0])
        elif method is methods.BASIC_GET_OK and not step.fields.get("no_ack"):
            self._unsettled[channel_id].append(one.values[0])
        elif method is methods.BASIC_CONSUME_OK:
            self._consume(channel_id, one.values[0], step)
        elif method is methods.BASIC_CANCEL_OK:
            self.consumers.pop((*channel_id, one.values[0]), None)
        elif method is methods.QUEUE_DELETE_OK:
            return self._queue_of(channel_id, step)
        return None

    def _queue_of(self, channel_id: ChannelId, step: Send) -> str:
        """Return a method's queue: the one it names, or the last one the channel declared."""
        name = step.fields.get("queue")
        return str(self._names.on_broker(name)) if name else self._last_queue.get(channel_id, "")

    def _declare(self, channel_id: ChannelId, queue: str, step: Send) -> None:
        self.declared.add(queue)
        self._last_queue[channel_id] = queue
        if step.fields.get("passive"):
            return
        if step.fields.get("exclusive"):
            self.owners.setdefault(queue, channel_id[0])
        # A queue has the type of its latest accepted declaration.
        is_quorum = step.fields.get("arguments", {}).get("x-queue-type") == "quorum"
        (self.quorum.add if is_quorum else self.quorum.discard)(queue)

    def _consume(self, channel_id: ChannelId, tag: str, step: Send) -> None:
        key = (*channel_id, tag)
        self.consumers[key] = self._queue_of(channel_id, step)
        self._without_ack.discard(key)
        if step.fields.get("no_ack"):
            self._without_ack.add(key)

    # Deletions and closes

    def delete(self, queue: str) -> list[tuple[ChannelId, str]]:
        """Forget a queue; return its consumers, by channel and tag, which RabbitMQ cancels."""
        self.owners.pop(queue, None)
        self.declared.discard(queue)
        return [((one[0], one[1]), one[2]) for one, name in self.consumers.items() if name == queue]

    def end(self, channel_id: ChannelId) -> None:
        """Forget a closed channel."""
        self.confirming.pop(channel_id, None)
        self._unsettled.pop(channel_id, None)
        self._unanswered.pop(channel_id, None)
        self._last_queue.pop(channel_id, None)
        for key in [key for key in self.consumers if key[:2] == channel_id]:
            del self.consumers[key]

    def shares_deliveries(self, number: int) -> bool:
        """Return whether several channels of a connection consume from the same queue.

        RabbitMQ may close its channels in any order, so that messages are requeued in any order,
        or are delivered to another channel that is about to be closed.
        """
        used = {
            (queue, channel) for (of, channel, _), queue in self.consumers.items() if of == number
        }
        return len(used) > len({queue for queue, _ in used})

    def disown(self, number: int) -> list[str]:
        """Forget the exclusive queues of a closed connection; return them."""
        queues = [queue for queue, owner in self.owners.items() if owner == number]
        for queue in queues:
            del self.owners[queue]
        return queues
