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
from mooq.parity.wire.flusher import Disturbed, Flusher, Place
from mooq.parity.wire.names import ProgramNames
from mooq.parity.wire.pool import ConnectionPool
from mooq.parity.wire.programs import (
    EXCHANGES,
    QUEUES,
    Pause,
    Publish,
    Send,
    Settle,
    Step,
    WireProgram,
)
from mooq.parity.wire.state import ProgramState

LONGEST_PROGRAM = 1.8  # seconds
PAUSE = 2.3
MOST_PASSES = 6
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
        self._names = ProgramNames(prefix)
        self._pass_time = pass_time
        self._connections: dict[int, WireConnection] = {}
        self._open: set[Place] = set()
        self._flusher = Flusher(self._connections, lambda: self._pool.await_log(len(self._open)))
        self._has_quorum = False
        self._is_left_open = False
        """Whether RabbitMQ leaves open what comes next: the program ends there."""
        self._state = ProgramState(self._names)
        self._outcome: defaultdict[str, list[str]] = defaultdict(list)

    def run(self, program: WireProgram) -> list[Outcome]:
        """Return what each step came to. Raises :class:`Disturbed` and :class:`NoAnswer`."""
        self._has_quorum = "'quorum'" in repr(program)
        is_complete = False
        try:
            outcomes = self._outcomes(program)
            is_complete = True
        finally:
            self._leave(is_complete)
        return outcomes

    def _outcomes(self, program: WireProgram) -> list[Outcome]:
        has_time = "100" in repr(program)
        outcomes = []
        began = time.monotonic()
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
            if self._is_left_open:
                break
            outcomes.append({key: tuple(lines) for key, lines in self._outcome.items()})
            self._outcome.clear()
        if has_time:
            self._check_time(began)
        return outcomes

    def _check_time(self, began: float) -> None:
        if time.monotonic() - began > LONGEST_PROGRAM:
            raise Disturbed("the program took so long that messages may have expired")

    # What is sent

    def _perform(self, step: Step) -> None:
        if isinstance(step, Pause):
            return
        if isinstance(step, Send) and step.method == "connection.close":
            self._close(step.connection)
            return
        place = step.connection, step.channel
        self._make_open(place)
        if isinstance(step, Publish):
            self._publish(place, step)
        elif isinstance(step, Settle):
            tag = self._state.settle(place, step)
            if tag is not None:
                fields = {
                    "delivery_tag": tag,
                    "multiple": step.multiple,
                    "requeue": step.requeue,
                }
                self._send(place, BY_NAME[step.method], fields)
        elif step.method == "channel.close":
            self._send(place, methods.CHANNEL_CLOSE, step.fields)
            self._keep(place, self._take(place, methods.CHANNEL_CLOSE_OK))
        else:
            self._send(place, BY_NAME[step.method], step.fields)
            self._state.send(place, step)
            if step.method == "tx.commit":  # RabbitMQ takes nothing else before it is done
                connection = self._connections[step.connection]
                committed = self._take(place, methods.TX_COMMIT_OK)
                if committed.method is not methods.CONNECTION_CLOSE:  # which was not removed
                    connection.arrived.append(committed)

    def _publish(self, place: Place, step: Publish) -> None:
        self._state.publish(place)
        on_broker = self._names.on_broker
        self._connections[place[0]].publish(
            place[1],
            on_broker(step.exchange),
            on_broker(step.routing_key),
            step.mandatory,
            message_of(step.body, on_broker(step.properties)),
            step.immediate,
        )

    def _take(self, place: Place, method: Method) -> Arrived:
        return self._connections[place[0]].take(place[1], lambda one: one.method is method)

    def _send(self, place: Place, method: Method, fields: Mapping[str, Any]) -> None:
        known = {name for name, _ in method.fields}
        named = {
            name: self._names.on_broker(value) for name, value in fields.items() if name in known
        }
        self._connections[place[0]].send(place[1], method, *values_of(method, named))

    def _make_open(self, place: Place) -> None:
        number, channel = place
        if number not in self._connections:
            self._connections[number] = self._pool.take()
        if place not in self._open:
            connection = self._connections[number]
            connection.send(channel, methods.CHANNEL_OPEN, "")
            connection.take(channel)
            if self._has_quorum:
                self._pool.watch(connection, channel)
            self._open.add(place)

    def _close(self, number: int) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.close()
            self._forget(number)

    def _forget(self, number: int) -> None:
        """Forget a connection that has ended; RabbitMQ leaves open what was delivered there."""
        self._is_left_open |= self._has_quorum and self._state.shares_deliveries(number)
        self._connections.pop(number).end()
        self._flusher.forget(number)
        for key in [key for key in self._outcome if key.startswith(f"{number}.")]:
            if key.endswith("deliveries"):
                del self._outcome[key]
        for place in [one for one in self._open if one[0] == number]:
            self._end(place)
        for queue in self._state.disown(number):
            self._pool.await_end(queue)

    def _end(self, place: Place) -> None:
        """Forget a channel that has ended."""
        self._open.discard(place)
        self._state.end(place)

    # What comes back

    def _settle(self, step: Step) -> None:
        """Return when everything has happened that a step causes; keep what came back."""
        before = set(self._open)
        self._barrier()
        for place, queue in self._state.deleting:
            if place in self._open:
                self._deleted(queue)
        self._state.deleting.clear()
        if isinstance(step, Send) and step.method in SYNCHRONOUS and before == self._open:
            return
        # A dead letter of a quorum queue shows nowhere on its way; it may pass every queue.
        least = len(self._state.declared) if self._has_quorum else 1
        for passes in range(1, MOST_PASSES + 1):
            self._flush()
            if not self._barrier() and passes >= least:
                return

    def _barrier(self) -> int:
        """Keep what has arrived on all channels; return how much that is."""
        for number, channel in sorted(self._open):
            self._connections[number].send(channel, methods.CHANNEL_FLOW, True)
        for number, channel in sorted(self._open):
            connection = self._connections[number]
            found = self._take((number, channel), methods.CHANNEL_FLOW_OK)
            if found.method is methods.CHANNEL_CLOSE:
                connection.arrived.append(found)
            elif found.method is methods.CHANNEL_FLOW_OK:
                self._confirm(connection, (number, channel))
        return self._keep_arrived()

    def _confirm(self, connection: WireConnection, place: Place) -> None:
        """Wait until what was published on a channel is confirmed."""
        waiting = self._state.confirming.get(place)
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
        self._note(place, kind, self._names.line(one))
        if method is methods.CONNECTION_CLOSE:
            self._connections[number].send(0, methods.CONNECTION_CLOSE_OK)
            self._connections[number].is_open = False  # it is forgotten once all is kept
        elif method is methods.CHANNEL_CLOSE:
            self._connections[number].send(channel, methods.CHANNEL_CLOSE_OK)
            self._end(place)
        elif method is methods.CHANNEL_CLOSE_OK:
            self._end(place)
        elif method is methods.BASIC_DELIVER:
            self._state.deliver(place, values[0], values[1])
        elif method is methods.BASIC_CANCEL:
            self._state.consumers.pop((number, channel, values[0]), None)
        else:
            deleted = self._state.answer(place, one)
            if deleted is not None:
                self._deleted(deleted)

    def _deleted(self, queue: str) -> None:
        """Wait until the consumers of a queue that was deleted are cancelled."""
        for place, tag in self._state.delete(queue):
            if place in self._open:
                connection = self._connections[place[0]]
                self._keep(place, connection.take(place[1], partial(_is_cancel, tag)))

    def _note(self, place: Place, kind: str, line: str) -> None:
        self._outcome[f"{place[0]}.{place[1]} {kind}"].append(line)

    def _flush(self) -> None:
        """Return when every queue has dealt with all that it was sent."""
        if not self._connections:
            return
        usual = min(self._connections)
        state = self._state
        owners = {name: state.owners.get(name, usual) for name in sorted(state.declared)}
        there = {name: number for name, number in owners.items() if number in self._connections}
        state.declared.difference_update(self._flusher.flush(there, state.quorum))

    def _leave(self, is_complete: bool) -> None:
        """Give connections back, or close those of which an answer may be missing; delete all."""
        for number in list(self._connections):
            connection = self._connections.pop(number)
            channels = [channel for of, channel in self._open if of == number]
            if number in self._state.owners.values() or not is_complete:
                connection.close()
            else:
                self._pool.give_back(connection, [*channels, *self._flusher.channels(number)])
        named = [[self._prefix + name for name in names] for names in (QUEUES, EXCHANGES)]
        queues = self._state.declared.union(named[0]) - self._state.owners.keys()
        self._pool.delete(queues, named[1])


def _is_cancel(tag: str, one: Arrived) -> bool:
    return one.method is methods.BASIC_CANCEL and one.values[0] == tag


def differing(ours: Iterable[Outcome], theirs: Iterable[Outcome]) -> list[int]:
    """Return the steps, counted from 1, that came to different things."""
    pairs = enumerate(zip(ours, theirs, strict=False), 1)
    return [number for number, (mine, other) in pairs if mine != other]
