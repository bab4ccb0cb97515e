"""Running a program of methods on a broker, and what comes back after each step.

Whatever a step causes has happened before the next one begins. On RabbitMQ that is asked for: a
channel answers ``channel.flow`` after what it was sent before, and a queue answers ``basic.get``,
or refuses to be deleted, after what it was sent before. Nothing waits for a time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias

from mooq.amqp import methods
from mooq.amqp.methods import Method
from mooq.parity.wire.client import (
    BY_NAME,
    Arrived,
    NoAnswer,
    WireConnection,
    message_of,
    values_of,
)
from mooq.parity.wire.flushing import Disturbed, Flusher, Place
from mooq.parity.wire.pool import ConnectionPool
from mooq.parity.wire.programs import (
    EXCHANGES,
    NAMES,
    QUEUES,
    Pause,
    Publish,
    Send,
    Settle,
    Step,
    WireProgram,
)
from mooq.parity.wire.text import line_of

SHORT_TTL = 1000  # milliseconds; a program takes less, its pauses apart
LONGEST_PROGRAM = 0.8  # seconds
PAUSE = 1.2
MOST_PASSES = 6
MISUSE = 5
"""From this index on, a delivery is settled that was never made."""
SYNCHRONOUS = frozenset(
    (
        *("exchange.declare", "exchange.delete", "queue.bind", "queue.unbind", "exchange.bind"),
        *("exchange.unbind", "confirm.select", "tx.select", "basic.qos"),
    )
)
"""Methods that cause nothing but their answer."""
Outcome: TypeAlias = dict[str, tuple[str, ...]]
"""What came back after a step, by connection, channel and kind: lines, in order."""


class Conversation:
    """One run of one program; ``prefix`` is before all its names.

    ``pool`` has connections to the broker, ``pass_time`` lets so many seconds pass for it.
    """

    def __init__(
        self, pool: ConnectionPool, prefix: str, pass_time: Callable[[float], None] = time.sleep
    ) -> None:
        self._pool = pool
        self._prefix = prefix
        self._pass_time = pass_time
        self._connections: dict[int, WireConnection] = {}
        self._flusher = Flusher(self._connections)
        self._open: set[Place] = set()
        self._confirming: dict[Place, list[int]] = {}
        """How many messages were published on each channel that confirms, and which are not yet."""
        self._unsettled: defaultdict[Place, list[int]] = defaultdict(list)
        self._consumers: dict[tuple[int, int, str], str] = {}
        self._silent: set[tuple[int, int, str]] = set()
        """Consumers that acknowledge nothing."""
        self._asked: dict[Place, list[Send]] = defaultdict(list)
        self._owners: dict[str, int] = {}
        """The connection of each exclusive queue."""
        self._declared: set[str] = set()
        self._last_queue: dict[Place, str] = {}
        self._outcome: defaultdict[str, list[str]] = defaultdict(list)

    def run(self, program: WireProgram) -> list[Outcome]:
        """Return what each step came to. Raises :class:`Disturbed` and :class:`NoAnswer`."""
        has_time = "100" in repr(program)
        outcomes = []
        began = time.monotonic()
        try:
            for number, step in enumerate(program, 1):
                if isinstance(step, Pause) and has_time:
                    self._check_time(began)
                    self._pass_time(PAUSE)
                    began = time.monotonic()
                try:
                    self._perform(step)
                    self._settle(step)
                except NoAnswer as error:
                    raise NoAnswer(f"step {number} of {program}: {error}") from error
                outcomes.append({key: tuple(lines) for key, lines in self._outcome.items()})
                self._outcome.clear()
            if has_time:
                self._check_time(began)
        finally:
            self._leave()
        return outcomes

    def _check_time(self, began: float) -> None:
        if time.monotonic() - began > LONGEST_PROGRAM:
            raise Disturbed("the program took so long that messages may have expired")

    # What is sent

    def _perform(self, step: Step) -> None:
        if isinstance(step, Pause):
            return
        place = step.connection, step.channel
        if isinstance(step, Send) and step.method == "connection.close":
            self._close(step.connection)
            return
        self._make_open(place)
        connection = self._connections[step.connection]
        if isinstance(step, Publish):
            if place in self._confirming:
                self._confirming[place][0] += 1
                self._confirming[place].append(self._confirming[place][0])
            message = message_of(step.body, self._named(step.properties))
            exchange, key = self._named(step.exchange), self._named(step.routing_key)
            connection.publish(step.channel, exchange, key, step.mandatory, message)
        elif isinstance(step, Settle):
            tags = self._unsettled[place]
            if not tags and step.index < MISUSE:
                return
            tag = tags[step.index] if step.index < len(tags) else 999
            fields = {
                "delivery_tag": tag,
                "multiple": step.multiple,
                "requeue": step.requeue,
            }
            self._send(step.connection, step.channel, BY_NAME[step.method], fields)
            covered = [one for one in tags if one == tag or (step.multiple and one < tag)]
            if step.method == "basic.reject":
                covered = [tag]
            self._unsettled[place] = [one for one in tags if one not in covered]
        else:
            self._send(step.connection, step.channel, BY_NAME[step.method], step.fields)
            if step.method == "channel.close":
                closed = connection.take(
                    step.channel, lambda one: one.method is methods.CHANNEL_CLOSE_OK
                )
                self._keep(place, closed)
                return
            self._asked[place].append(step)
            if step.method == "basic.recover":
                self._unsettled[place].clear()

    def _send(
        self, connection: int, channel: int, method: Method, fields: Mapping[str, Any]
    ) -> None:
        known = {name for name, _ in method.fields}
        named = {name: self._named(value) for name, value in fields.items() if name in known}
        self._connections[connection].send(channel, method, *values_of(method, named))

    def _named(self, value: Any) -> Any:
        """Return a value with the names that this program has on the broker."""
        if isinstance(value, str):
            value = str(SHORT_TTL) if value == "100" else value
            return f"{self._prefix}{value}" if value in NAMES else value
        if isinstance(value, dict):
            return {name: self._named(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._named(one) for one in value]
        if value == 100 and type(value) is int:
            return SHORT_TTL
        return value

    def _make_open(self, place: Place) -> None:
        number, channel = place
        if number not in self._connections:
            self._connections[number] = self._pool.take()
        if place not in self._open:
            connection = self._connections[number]
            connection.send(channel, methods.CHANNEL_OPEN, "")
            connection.take(channel)
            self._open.add(place)

    def _close(self, number: int) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.close()
            self._forget(number)

    def _forget(self, number: int) -> None:
        """Forget a connection that has ended; open is what was delivered there meanwhile."""
        self._connections.pop(number).end()
        self._flusher.forget(number)
        for key in [key for key in self._outcome if key.startswith(f"{number}.")]:
            if key.endswith("deliveries"):
                del self._outcome[key]
        for place in [one for one in self._open if one[0] == number]:
            self._end(place)
        for queue in [queue for queue, owner in self._owners.items() if owner == number]:
            del self._owners[queue]
            self._pool.await_end(queue)

    def _end(self, place: Place) -> None:
        """Forget a channel that has ended."""
        self._open.discard(place)
        self._confirming.pop(place, None)
        self._unsettled.pop(place, None)
        self._asked.pop(place, None)
        self._last_queue.pop(place, None)
        for key in [key for key in self._consumers if key[:2] == place]:
            del self._consumers[key]

    # What comes back

    def _settle(self, step: Step) -> None:
        """Return when everything has happened that a step causes; keep what came back."""
        before = set(self._open)
        self._barrier()
        if isinstance(step, Send) and step.method in SYNCHRONOUS and before == self._open:
            return
        for _ in range(MOST_PASSES):
            self._flush()
            if not self._barrier():
                return

    def _barrier(self) -> int:
        """Keep what has arrived on all channels; return how much that is."""
        for number, channel in sorted(self._open):
            self._connections[number].send(channel, methods.CHANNEL_FLOW, True)
        for number, channel in sorted(self._open):
            connection = self._connections[number]
            found = connection.take(channel, lambda one: one.method is methods.CHANNEL_FLOW_OK)
            if found.method is methods.CHANNEL_CLOSE:
                connection.arrived.append(found)
            elif found.method is methods.CHANNEL_FLOW_OK:
                self._confirm(connection, (number, channel))
        return self._keep_arrived()

    def _confirm(self, connection: WireConnection, place: Place) -> None:
        """Wait until what was published on a channel is confirmed."""
        waiting = self._confirming.get(place)
        if waiting is None:
            return
        while len(waiting) > 1:
            one = connection.take(
                place[1], lambda one: one.method in (methods.BASIC_ACK, methods.BASIC_NACK)
            )
            if one.method not in (methods.BASIC_ACK, methods.BASIC_NACK):
                if one.method is methods.CHANNEL_CLOSE:
                    connection.arrived.append(one)
                return
            tag, multiple = one.values[0], one.values[1]
            for confirmed in [n for n in waiting[1:] if n == tag or (multiple and n <= tag)]:
                waiting.remove(confirmed)
                self._note(place, "confirms", f"{one.method.name} {confirmed}")

    def _keep_arrived(self) -> int:
        count = 0
        for number, connection in sorted(self._connections.items()):
            while connection.arrived:
                one = connection.arrived.popleft()
                count += 1
                self._keep((number, one.channel), one)
            if not connection.is_open:
                self._forget(number)
                count += 1
        return count

    def _keep(self, place: Place, one: Arrived) -> None:
        """Keep one thing that came back, and what follows from it."""
        number, channel = place
        method, values = one.method, one.values
        kind = "deliveries" if method is methods.BASIC_DELIVER else "replies"
        self._note(place, kind, self._line(one))
        if method is methods.CONNECTION_CLOSE:
            self._connections[number].send(0, methods.CONNECTION_CLOSE_OK)
            self._connections[number].is_open = False  # it is forgotten once all is kept
        elif method is methods.CHANNEL_CLOSE:
            self._connections[number].send(channel, methods.CHANNEL_CLOSE_OK)
            self._end(place)
        elif method is methods.CHANNEL_CLOSE_OK:
            self._end(place)
        elif method is methods.BASIC_DELIVER:
            if (number, channel, values[0]) not in self._silent:
                self._unsettled[place].append(values[1])
        elif method is methods.BASIC_CANCEL:
            self._consumers.pop((number, channel, values[0]), None)
        else:
            self._answered(place, one)

    def _answered(self, place: Place, one: Arrived) -> None:
        """Note what the answer to a method means for later ones."""
        asked = self._asked[place]
        if one.method is methods.BASIC_RETURN or not asked:
            return
        step = asked.pop(0)
        method = one.method
        if method is methods.QUEUE_DECLARE_OK:
            self._declared.add(one.values[0])
            self._last_queue[place] = one.values[0]
            if step.fields.get("exclusive") and not step.fields.get("passive"):
                self._owners.setdefault(one.values[0], place[0])
        elif method is methods.CONFIRM_SELECT_OK:
            self._confirming.setdefault(place, [0])
        elif method is methods.BASIC_GET_OK and not step.fields.get("no_ack"):
            self._unsettled[place].append(one.values[0])
        elif method is methods.BASIC_CONSUME_OK:
            key = (*place, one.values[0])
            queue = step.fields.get("queue") or ""
            self._consumers[key] = self._named(queue) if queue else self._last_queue.get(place, "")
            self._silent.discard(key)
            if step.fields.get("no_ack"):
                self._silent.add(key)
        elif method is methods.BASIC_CANCEL_OK:
            self._consumers.pop((*place, one.values[0]), None)
        elif method is methods.QUEUE_DELETE_OK:
            name = step.fields.get("queue") or ""
            self._deleted(self._named(name) if name else self._last_queue.get(place, ""))

    def _deleted(self, queue: str) -> None:
        """Wait until the consumers of a queue that was deleted are cancelled."""
        self._owners.pop(queue, None)
        for (number, channel, tag), name in list(self._consumers.items()):
            if name == queue and (number, channel) in self._open:
                connection = self._connections[number]
                found = connection.take(channel, partial(_is_cancel, tag))
                self._keep((number, channel), found)

    def _note(self, place: Place, kind: str, line: str) -> None:
        self._outcome[f"{place[0]}.{place[1]} {kind}"].append(line)

    def _line(self, one: Arrived) -> str:
        return line_of(one, self._prefix).replace(f"'{SHORT_TTL}'", "'100'")

    def _flush(self) -> None:
        """Return when every queue has dealt with all that it was sent."""
        if not self._connections:
            return
        usual = min(self._connections)
        owners = {name: self._owners.get(name, usual) for name in sorted(self._declared)}
        there = {name: number for name, number in owners.items() if number in self._connections}
        self._declared.difference_update(self._flusher.flush(there))

    def _leave(self) -> None:
        """Give connections back, and delete what is left."""
        for number in list(self._connections):
            connection = self._connections.pop(number)
            channels = [channel for of, channel in self._open if of == number]
            if number in self._owners.values():
                connection.close()
            else:
                self._pool.give_back(connection, [*channels, *self._flusher.channels(number)])
        named = [[self._prefix + name for name in names] for names in (QUEUES, EXCHANGES)]
        queues = self._declared.union(named[0]) - self._owners.keys()
        self._pool.delete(queues, named[1])


def _is_cancel(tag: str, one: Arrived) -> bool:
    return one.method is methods.BASIC_CANCEL and one.values[0] == tag


def differing(ours: Iterable[Outcome], theirs: Iterable[Outcome]) -> list[int]:
    """Return the steps, counted from 1, that came to different things."""
    pairs = enumerate(zip(ours, theirs, strict=True), 1)
    return [number for number, (mine, other) in pairs if mine != other]
