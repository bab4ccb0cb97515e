"""Running a program of methods on a broker, and what comes back after each step.

Whatever a step causes has happened before the next one begins. On RabbitMQ that is asked for: a
channel answers ``channel.flow`` after what it was sent before, and a queue answers ``basic.get``,
or refuses to be deleted, after what it was sent before. Nothing waits for a time.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias

from mooq.amqp import methods
from mooq.amqp.methods import Method
from mooq.basics.address import Address
from mooq.broker.message import PROPERTY_NAMES
from mooq.parity.wire.client import (
    BY_NAME,
    Arrived,
    NoAnswer,
    WireConnection,
    message_of,
    values_of,
)
from mooq.parity.wire.programs import (
    NAMES,
    Pause,
    Publish,
    Send,
    Settle,
    Step,
    WireProgram,
)

SHORT_TTL = 400  # milliseconds; a program takes less, its pauses apart
LONGEST_PROGRAM = 0.3  # seconds
PAUSE = 0.5
MOST_PASSES = 6
MISUSE = 5
"""From this index on, a delivery is settled that was never made."""
FLUSHING = 100
"""The number of a channel that no program uses, where queues are asked."""
ENDED = (methods.CHANNEL_CLOSE, methods.CHANNEL_CLOSE_OK)
SYNCHRONOUS = frozenset(
    ("exchange.declare", "exchange.delete", "queue.bind", "queue.unbind", "exchange.bind")
    + ("exchange.unbind", "confirm.select", "tx.select", "basic.qos")
)
"""Methods that cause nothing but their answer."""
GENERATED = re.compile(r"amq\.gen-[\w-]+|amq\.ctag-[\w-]+")

Place: TypeAlias = tuple[int, int]
Outcome: TypeAlias = dict[str, tuple[str, ...]]
"""What came back after a step, by connection, channel and kind: lines, in order."""


class Disturbed(Exception):
    """Looking at the broker, or a slow machine, has changed what a program would come to."""


class Conversation:
    """One run of one program; ``prefix`` is before all its names.

    ``pass_time`` lets so many seconds pass for the broker.
    """

    def __init__(
        self, address: Address, prefix: str, pass_time: Callable[[float], None] = time.sleep
    ) -> None:
        self._address = address
        self._prefix = prefix
        self._pass_time = pass_time
        self._connections: dict[int, WireConnection] = {}
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
            for step in program:
                if isinstance(step, Pause):
                    if has_time:
                        self._check_time(began)
                        self._pass_time(PAUSE)
                        began = time.monotonic()
                else:
                    self._perform(step)
                self._settle(step)
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
        assert not isinstance(step, Pause)
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
            self._connections[number] = WireConnection(self._address)
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
        del self._connections[number]
        for key in [key for key in self._outcome if key.startswith(f"{number}.")]:
            if key.endswith("deliveries"):
                del self._outcome[key]
        for place in [one for one in self._open if one[0] == number]:
            self._end(place)
        for queue in [queue for queue, owner in self._owners.items() if owner == number]:
            del self._owners[queue]
            self._await_end(queue)

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
            self._connections[number].is_open = False
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
        """Return what came back as text, without what differs from run to run."""
        shown = {
            name: value
            for (name, _), value in zip(one.method.fields, one.values, strict=True)
            if value not in ("", False, 0, {})
        }
        text = f"{one.method.name} {shown}" if shown else one.method.name
        if one.message is not None:
            properties = one.message.properties
            present = {
                name: _timeless(getattr(properties, name))
                for name in PROPERTY_NAMES
                if getattr(properties, name) is not None
            }
            text += f" {present} {one.message.body!r}"
        return GENERATED.sub("NAME", text.replace(self._prefix, "")).replace(
            f"'{SHORT_TTL}'", "'100'"
        )

    # Queues

    def _flush(self) -> None:
        """Return when every queue has dealt with all that it was sent."""
        names = sorted(self._declared)
        if not names or not self._connections:
            return
        asked = []
        for index, name in enumerate(names):
            number = self._owners.get(name, min(self._connections))
            if number not in self._connections:
                continue
            place = number, FLUSHING + index
            self._make_open(place)
            self._open.discard(place)
            self._connections[number].send(
                place[1], methods.QUEUE_DECLARE, 0, name, True, *[False] * 4, {}
            )
            asked.append((place, name))
        flushed = []
        for place, name in asked:
            answer = self._hidden_answer(place)
            if answer is None:  # there is no such queue any more
                self._declared.discard(name)
                continue
            connection = self._connections[place[0]]
            _, ready, consumers = answer.values
            if consumers or ready:
                connection.send(
                    place[1], methods.QUEUE_DELETE, 0, name, bool(consumers), not consumers, False
                )
            else:
                connection.send(place[1], methods.BASIC_GET, 0, name, False)
            flushed.append(place)
        for place in flushed:
            answer = self._hidden_answer(place)
            if answer is not None and answer.method is not methods.BASIC_GET_EMPTY:
                raise Disturbed(f"{answer.method.name} where nothing was to be found")
            if answer is not None:
                self._connections[place[0]].send(place[1], methods.CHANNEL_CLOSE, 200, "", 0, 0)
                self._connections[place[0]].take(place[1])

    def _hidden_answer(self, place: Place) -> Arrived | None:
        """Return the answer on a channel of which the program does not know; None if it closed."""
        connection = self._connections[place[0]]
        answer = connection.take(place[1])
        if answer.method is methods.CHANNEL_CLOSE:
            connection.send(place[1], methods.CHANNEL_CLOSE_OK)
            return None
        return answer

    def _await_end(self, queue: str) -> None:
        """Return when an exclusive queue is gone, whose connection has ended."""
        with_others = WireConnection(self._address)
        deadline = time.monotonic() + 10
        try:
            while time.monotonic() < deadline:
                with_others.send(1, methods.CHANNEL_OPEN, "")
                with_others.take(1)
                with_others.send(1, methods.QUEUE_DECLARE, 0, queue, True, *[False] * 4, {})
                answer = with_others.take(1)
                if answer.method is not methods.CHANNEL_CLOSE:
                    raise Disturbed(f"queue {queue} is not exclusive")
                with_others.send(1, methods.CHANNEL_CLOSE_OK)
                if answer.values[0] == 404:
                    return
        finally:
            with_others.close()
        raise NoAnswer(f"exclusive queue {queue} outlives its connection")

    def _leave(self) -> None:
        """Close all connections, and delete what is left."""
        for number in list(self._connections):
            try:
                self._connections.pop(number).close()
            except (NoAnswer, OSError):
                continue
        cleaning = WireConnection(self._address)
        names = {self._prefix + name for name in NAMES} | self._declared
        cleaning.send(1, methods.CHANNEL_OPEN, "")
        cleaning.take(1)
        for name in sorted(names):
            cleaning.send(1, methods.QUEUE_DELETE, 0, name, False, False, False)
            cleaning.send(1, methods.EXCHANGE_DELETE, 0, name, False, False)
            for _ in range(2):
                cleaning.take(1)
        cleaning.close()


def _is_cancel(tag: str, one: Arrived) -> bool:
    return one.method is methods.BASIC_CANCEL and one.values[0] == tag


def _timeless(value: Any) -> Any:
    """Return a value without the times of deaths."""
    if isinstance(value, dict):
        return {name: "TIME" if name == "time" else _timeless(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_timeless(one) for one in value]
    return value


def differing(ours: Iterable[Outcome], theirs: Iterable[Outcome]) -> list[int]:
    """Return the steps, counted from 1, that came to different things."""
    pairs = enumerate(zip(ours, theirs, strict=True), 1)
    return [number for number, (mine, other) in pairs if mine != other]
