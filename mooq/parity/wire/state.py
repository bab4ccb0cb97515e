"""State of a program on a broker, as far as its client knows: queues, consumers, deliveries."""

from __future__ import annotations

from collections import defaultdict

from mooq.amqp import methods
from mooq.parity.wire.client import Arrived
from mooq.parity.wire.flusher import Place
from mooq.parity.wire.names import ProgramNames
from mooq.parity.wire.programs import EVERYTHING, MISUSE, Send, Settle

UNKNOWN_TAG = 999
UNANSWERED = frozenset(("basic.recover-async", "channel.flow", "channel.open"))
"""Methods without an answer, and such as end the connection."""


class ProgramState:
    """Follows what is sent and answered on all channels of one program."""

    def __init__(self, names: ProgramNames) -> None:
        self._names = names
        self.declared: set[str] = set()
        self.quorum: set[str] = set()
        """Quorum queues, by name."""
        self.owners: dict[str, int] = {}
        """The connection of each exclusive queue."""
        self.consumers: dict[tuple[int, int, str], str] = {}
        """The queue of each consumer."""
        self.confirming: dict[Place, list[int]] = {}
        """How many messages were published on each channel that confirms, and which are not yet."""
        self.deleting: list[tuple[Place, str]] = []
        """Queues that are being deleted, of which no answer tells."""
        self._silent: set[tuple[int, int, str]] = set()  # consumers that acknowledge nothing
        self._unsettled: defaultdict[Place, list[int]] = defaultdict(list)
        self._asked: defaultdict[Place, list[Send]] = defaultdict(list)
        self._last_queue: dict[Place, str] = {}

    # What is sent

    def publish(self, place: Place) -> None:
        """Note that a message is published."""
        if place in self.confirming:
            self.confirming[place][0] += 1
            self.confirming[place].append(self.confirming[place][0])

    def settle(self, place: Place, step: Settle) -> int | None:
        """Return the delivery tag that a step settles; None if there is none to be settled."""
        tags = self._unsettled[place]
        if not tags and step.index < MISUSE:
            return None
        tag = tags[step.index] if step.index < len(tags) else UNKNOWN_TAG
        if step.index == EVERYTHING:
            tag = 0
        last = tag or UNKNOWN_TAG
        is_multiple = step.multiple and step.method != "basic.reject"
        self._unsettled[place] = [
            one for one in tags if one != tag and not (is_multiple and one < last)
        ]
        return tag

    def send(self, place: Place, step: Send) -> None:
        """Note that a method is sent."""
        if step.method.startswith("basic.recover"):
            self._unsettled[place].clear()
        if step.fields.get("nowait"):
            self._unanswered(place, step)
        elif step.method not in UNANSWERED:
            self._asked[place].append(step)

    def _unanswered(self, place: Place, step: Send) -> None:
        """Note what a method without an answer means for later ones, unless it is refused."""
        if step.method == "queue.declare":
            queue = self._queue_of(place, step)
            if queue not in self.declared:  # else it is what it was, or this is refused
                self._declare(place, queue, step)
        elif step.method == "confirm.select":
            self.confirming.setdefault(place, [0])
        elif step.method == "basic.consume":
            self._consume(place, step.fields["consumer_tag"], step)
        elif step.method == "basic.cancel":
            self.consumers.pop((*place, step.fields["consumer_tag"]), None)
        elif step.method == "queue.delete":
            self.deleting.append((place, self._queue_of(place, step)))

    # What comes back

    def deliver(self, place: Place, tag: str, delivery_tag: int) -> None:
        """Note a delivery."""
        if (*place, tag) not in self._silent:
            self._unsettled[place].append(delivery_tag)

    def answer(self, place: Place, one: Arrived) -> str | None:
        """Note what the answer to a method means for later ones; return the queue it deleted."""
        asked = self._asked[place]
        if one.method is methods.BASIC_RETURN or not asked:
            return None
        step = asked.pop(0)
        method = one.method
        if method is methods.QUEUE_DECLARE_OK:
            self._declare(place, one.values[0], step)
        elif method is methods.CONFIRM_SELECT_OK:
            self.confirming.setdefault(place, [0])
        elif method is methods.BASIC_GET_OK and not step.fields.get("no_ack"):
            self._unsettled[place].append(one.values[0])
        elif method is methods.BASIC_CONSUME_OK:
            self._consume(place, one.values[0], step)
        elif method is methods.BASIC_CANCEL_OK:
            self.consumers.pop((*place, one.values[0]), None)
        elif method is methods.QUEUE_DELETE_OK:
            return self._queue_of(place, step)
        return None

    def _queue_of(self, place: Place, step: Send) -> str:
        """Return the name of a queue; without one it is that which the channel declared last."""
        name = step.fields.get("queue")
        return str(self._names.on_broker(name)) if name else self._last_queue.get(place, "")

    def _declare(self, place: Place, queue: str, step: Send) -> None:
        self.declared.add(queue)
        self._last_queue[place] = queue
        if step.fields.get("passive"):
            return
        if step.fields.get("exclusive"):
            self.owners.setdefault(queue, place[0])
        # It is of the type with which it is declared each time.
        is_quorum = step.fields.get("arguments", {}).get("x-queue-type") == "quorum"
        (self.quorum.add if is_quorum else self.quorum.discard)(queue)

    def _consume(self, place: Place, tag: str, step: Send) -> None:
        key = (*place, tag)
        self.consumers[key] = self._queue_of(place, step)
        self._silent.discard(key)
        if step.fields.get("no_ack"):
            self._silent.add(key)

    # The end

    def delete(self, queue: str) -> list[tuple[Place, str]]:
        """Forget a queue; return its consumers, by channel and tag, which are told."""
        self.owners.pop(queue, None)
        self.declared.discard(queue)
        return [((one[0], one[1]), one[2]) for one, name in self.consumers.items() if name == queue]

    def end(self, place: Place) -> None:
        """Forget a channel that has ended."""
        self.confirming.pop(place, None)
        self._unsettled.pop(place, None)
        self._asked.pop(place, None)
        self._last_queue.pop(place, None)
        for key in [key for key in self.consumers if key[:2] == place]:
            del self.consumers[key]

    def shares_deliveries(self, number: int) -> bool:
        """Return whether several channels of a connection consume from one quorum queue.

        As the connection ends, what one of them had may be delivered to another that still exists.
        """
        used = [
            (queue, channel)
            for (of, channel, _), queue in self.consumers.items()
            if of == number and queue in self.quorum
        ]
        return len(set(used)) > len({queue for queue, _ in used})

    def disown(self, number: int) -> list[str]:
        """Forget the exclusive queues of a connection that has ended; return them."""
        queues = [queue for queue, owner in self.owners.items() if owner == number]
        for queue in queues:
            del self.owners[queue]
        return queues
