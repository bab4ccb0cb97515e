"""Runs of a program on a broker, and the outcome of each step.

All effects of a step have happened before the next step begins. Requests ensure this on RabbitMQ: a
channel answers ``channel.flow`` after everything that it was sent before, and a queue answers
``basic.get``, or refuses to be deleted, after everything that it was sent before. Nothing sleeps.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

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
from mooq.parity.wire.flusher import ChannelId, Disturbed, Flusher
from mooq.parity.wire.names import ProgramNames
from mooq.parity.wire.outcomes import Outcome, delivery_line
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
MAX_PASSES = 6
SYNCHRONOUS = frozenset(
    (
        *("exchange.declare", "exchange.delete", "queue.bind", "queue.unbind", "exchange.bind"),
        *("exchange.unbind", "confirm.select", "tx.select", "basic.qos"),
    )
)
"""Methods whose only effect is their reply."""


class Conversation:
    """One run of one program. ``prefix`` is added to all its names.

    ``pool`` has connections to the broker. ``pass_time`` lets this many seconds pass for it.
    """

    def __init__(
        self, pool: ConnectionPool, prefix: str, pass_time: Callable[[float], None] = time.sleep
    ) -> None:
        self._pool = pool
        self._prefix = prefix
        self._names = ProgramNames(prefix)
        self._pass_time = pass_time
        self._connections: dict[int, WireConnection] = {}
        self._open: set[ChannelId] = set()
        self._flusher = Flusher(self._connections, lambda: self._pool.await_log(len(self._open)))
        self._has_quorum = False
        self._has_time = False
        self._classic_passes = 1
        self._is_undetermined = False
        """Whether RabbitMQ does not determine the next outcomes; the program ends then."""
        self._state = ProgramState(self._names)
        self._outcome: defaultdict[str, list[str]] = defaultdict(list)

    def run(self, program: WireProgram) -> list[Outcome]:
        """Return the outcome of each step. Raises :class:`Disturbed` and :class:`NoAnswer`."""
        text = repr(program)
        self._has_quorum = "'quorum'" in text
        self._has_time = "100" in text
        # A classic queue publishes a dead letter after it has answered.
        self._classic_passes = 2 if "x-dead-letter-exchange" in text else 1
        is_complete = False
        try:
            outcomes = self._outcomes(program)
            is_complete = True
        finally:
            self._clean_up(is_complete)
        return outcomes

    def _outcomes(self, program: WireProgram) -> list[Outcome]:
        outcomes: list[Outcome] = []
        began = time.monotonic()
        for number, step in enumerate(program, 1):
            if isinstance(step, Pause) and self._has_time:
                self._check_time(began)
                self._pass_time(PAUSE)
                began = time.monotonic()
            try:
                self._send_step(step)
                self._await_effects(step)
            except NoAnswer as error:
                raise NoAnswer(f"step {number} of {program}: {error}") from error
            if self._is_undetermined:
                break
            outcomes.append({key: tuple(lines) for key, lines in self._outcome.items()})
            self._outcome.clear()
        if self._has_time:
            self._check_time(began)
        return outcomes

    def _check_time(self, began: float) -> None:
        if time.monotonic() - began > LONGEST_PROGRAM:
            raise Disturbed("the program took so long that messages may have expired")

    # Requests

    def _send_step(self, step: Step) -> None:
        if isinstance(step, Pause):
            return
        if isinstance(step, Send) and step.method == "connection.close":
            self._close(step.connection)
            return
        channel_id = step.connection, step.channel
        self._open_channel(channel_id)
        if isinstance(step, Publish):
            self._publish(channel_id, step)
        elif isinstance(step, Settle):
            tag = self._state.settle(channel_id, step)
            if tag is not None:
                fields = {"delivery_tag": tag, "multiple": step.multiple, "requeue": step.requeue}
                self._send(channel_id, BY_NAME[step.method], fields)
        elif step.method == "channel.close":
            self._send(channel_id, methods.CHANNEL_CLOSE, step.fields)
            self._handle(channel_id, self._take(channel_id, methods.CHANNEL_CLOSE_OK))
        else:
            self._send(channel_id, BY_NAME[step.method], step.fields)
            self._state.send(channel_id, step)
            if step.method == "tx.commit":  # RabbitMQ handles no other method before it is done
                connection = self._connections[step.connection]
                committed = self._take(channel_id, methods.TX_COMMIT_OK)
                if committed.method is not methods.CONNECTION_CLOSE:  # take() does not remove it
                    connection.arrived.append(committed)

    def _publish(self, channel_id: ChannelId, step: Publish) -> None:
        self._state.publish(channel_id)
        on_broker = self._names.on_broker
        self._connections[channel_id[0]].publish(
            channel_id[1],
            on_broker(step.exchange),
            on_broker(step.routing_key),
            step.mandatory,
            message_of(step.body, on_broker(step.properties)),
            step.immediate,
        )

    def _take(self, channel_id: ChannelId, method: Method) -> Arrived:
        return self._connections[channel_id[0]].take(
            channel_id[1], lambda one: one.method is method
        )

    def _send(self, channel_id: ChannelId, method: Method, fields: Mapping[str, Any]) -> None:
        known = {name for name, _ in method.fields}
        named = {
            name: self._names.on_broker(value) for name, value in fields.items() if name in known
        }
        self._connections[channel_id[0]].send(channel_id[1], method, *values_of(method, named))

    def _open_channel(self, channel_id: ChannelId) -> None:
        number, channel = channel_id
        if number not in self._connections:
            self._connections[number] = self._pool.take()
        if channel_id not in self._open:
            connection = self._connections[number]
            connection.send(channel, methods.CHANNEL_OPEN, "")
            connection.take(channel)
            if self._has_quorum:
                self._pool.consume_log(connection, channel)
            self._open.add(channel_id)

    def _close(self, number: int) -> None:
        connection = self._connections.get(number)
        if connection is not None:
            connection.close()
            self._forget_connection(number)

    def _forget_connection(self, number: int) -> None:
        """Forget a closed connection, and its deliveries, which RabbitMQ does not determine."""
        self._is_undetermined |= self._state.shares_deliveries(number)
        self._connections.pop(number).end()
        self._flusher.forget(number)
        for key in [key for key in self._outcome if key.startswith(f"{number}.")]:
            if key.endswith("deliveries"):
                del self._outcome[key]
        for channel_id in [one for one in self._open if one[0] == number]:
            self._end_channel(channel_id)
        for queue in self._state.disown(number):
            self._pool.await_end(queue)

    def _end_channel(self, channel_id: ChannelId) -> None:
        """Forget a closed channel."""
        self._open.discard(channel_id)
        self._state.end(channel_id)

    # Replies

    def _await_effects(self, step: Step) -> None:
        """Return when all effects of a step have happened; record the replies."""
        before = set(self._open)
        self._barrier()
        for channel_id, queue in self._state.deleting:
            if channel_id in self._open:
                self._await_cancels(queue)
        self._state.deleting.clear()
        if isinstance(step, Send) and step.method in SYNCHRONOUS and before == self._open:
            return
        # A dead letter of a quorum queue is invisible on its way, and may pass every queue.
        min_passes = len(self._state.declared) if self._has_quorum else self._classic_passes
        for passes in range(1, MAX_PASSES + 1):
            self._flush()
            if not self._barrier() and passes >= min_passes:
                return

    def _barrier(self) -> int:
        """Handle everything that has arrived on all channels; return the number of methods."""
        for number, channel in sorted(self._open):
            self._connections[number].send(channel, methods.CHANNEL_FLOW, True)
        for number, channel in sorted(self._open):
            connection = self._connections[number]
            found = self._take((number, channel), methods.CHANNEL_FLOW_OK)
            if found.method is methods.CHANNEL_CLOSE:
                connection.arrived.append(found)
            elif found.method is methods.CHANNEL_FLOW_OK:
                self._confirm(connection, (number, channel))
        return self._handle_arrived()

    def _confirm(self, connection: WireConnection, channel_id: ChannelId) -> None:
        """Wait until all publishes on a channel are confirmed."""
        waiting = self._state.confirming.get(channel_id)
        if waiting is None:
            return
        while len(waiting) > 1:
            one = connection.take(
                channel_id[1], lambda one: one.method in (methods.BASIC_ACK, methods.BASIC_NACK)
            )
            if one.method not in (methods.BASIC_ACK, methods.BASIC_NACK):
                if one.method is methods.CHANNEL_CLOSE:
                    connection.arrived.append(one)
                return
            tag, multiple = one.values[0], one.values[1]
            for confirmed in [n for n in waiting[1:] if n == tag or (multiple and n <= tag)]:
                waiting.remove(confirmed)
                self._record(channel_id, "confirms", f"{one.method.name} {confirmed}")

    def _handle_arrived(self) -> int:
        count = 0
        for number, connection in sorted(self._connections.items()):
            while connection.arrived:
                one = connection.arrived.popleft()
                count += 1
                self._handle((number, one.channel), one)
            if not connection.is_open:
                self._forget_connection(number)
                count += 1
        return count

    def _handle(self, channel_id: ChannelId, one: Arrived) -> None:
        """Record a method that has arrived, and apply its effects."""
        number, channel = channel_id
        method, values = one.method, one.values
        line = self._names.line(one)
        if method is methods.BASIC_DELIVER:
            queue = self._state.consumers.get((number, channel, values[0]), "")
            self._record(channel_id, "deliveries", delivery_line(line, self._names.shown(queue)))
        else:
            self._record(channel_id, "replies", line)
        if method is methods.CONNECTION_CLOSE:
            self._connections[number].send(0, methods.CONNECTION_CLOSE_OK)
            self._connections[number].is_open = False  # forgotten when all is handled
        elif method is methods.CHANNEL_CLOSE:
            self._connections[number].send(channel, methods.CHANNEL_CLOSE_OK)
            self._end_channel(channel_id)
        elif method is methods.CHANNEL_CLOSE_OK:
            self._end_channel(channel_id)
        elif method is methods.BASIC_DELIVER:
            self._state.deliver(channel_id, values[0], values[1])
        elif method is methods.BASIC_CANCEL:
            self._state.consumers.pop((number, channel, values[0]), None)
        else:
            deleted = self._state.answer(channel_id, one)
            if deleted is not None:
                self._await_cancels(deleted)

    def _await_cancels(self, queue: str) -> None:
        """Wait until the consumers of a deleted queue are cancelled."""
        for channel_id, tag in self._state.delete(queue):
            if channel_id in self._open:
                connection = self._connections[channel_id[0]]
                self._handle(channel_id, connection.take(channel_id[1], partial(_is_cancel, tag)))

    def _record(self, channel_id: ChannelId, kind: str, line: str) -> None:
        self._outcome[f"{channel_id[0]}.{channel_id[1]} {kind}"].append(line)

    def _flush(self) -> None:
        """Return when every queue has handled everything that it was sent."""
        if not self._connections:
            return
        any_connection = min(self._connections)
        state = self._state
        owners = {name: state.owners.get(name, any_connection) for name in sorted(state.declared)}
        usable = {name: number for name, number in owners.items() if number in self._connections}
        state.declared.difference_update(self._flusher.flush(usable, state.quorum))

    def _clean_up(self, is_complete: bool) -> None:
        """Release connections, or close those that may still get replies; delete everything."""
        for number in list(self._connections):
            connection = self._connections.pop(number)
            channels = [channel for of, channel in self._open if of == number]
            if number in self._state.owners.values() or not is_complete:
                connection.close()
            else:
                self._pool.release(connection, [*channels, *self._flusher.channels(number)])
        named = [[self._prefix + name for name in names] for names in (QUEUES, EXCHANGES)]
        queues = self._state.declared.union(named[0]) - self._state.owners.keys()
        self._pool.delete(queues, named[1])


def _is_cancel(tag: str, one: Arrived) -> bool:
    return one.method is methods.BASIC_CANCEL and one.values[0] == tag
