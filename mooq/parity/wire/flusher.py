"""Waits for queues to handle everything that they were sent, without changing them.

A queue handles ``basic.get``, and ``queue.delete`` with a condition, after the messages,
acknowledgements and rejections that it was sent before. So the flusher sends ``queue.delete`` with
``if-unused`` to a queue with consumers, and with ``if-empty`` to one with messages; the queue
refuses both. It sends ``basic.get`` to an empty queue.

A quorum queue refuses these conditions without checking them. It writes commands to a log that all
quorum queues of a node share, and applies them once they are written. So the flusher then sends
``basic.get`` to another quorum queue, the pool's own, which answers when the log is written that
far. A queue writes publishes after all other commands, in its next turn, so it is asked for its
counts first. It is asked for them again afterwards: when it answers, it has applied the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import TypeAlias

from mooq.amqp import methods
from mooq.errors import MooqError
from mooq.parity.wire.client import Arrived, NoAnswer, WireConnection

FIRST_CHANNEL = 100
"""The first channel number that no program uses. Each queue has one channel."""

COUNT_REQUESTS = 2
"""The number of requests after which a classic queue's counts include a dead letter.

The queue answers the first one before it handles the messages that it was sent.
"""

ChannelId: TypeAlias = tuple[int, int]


class Disturbed(MooqError):
    """The checks of the broker, or a slow machine, have changed a program's outcome."""


class Flusher:
    """Waits for queues, each on a separate channel of a connection that may use it.

    ``await_log`` returns when quorum queues have written all their commands.
    """

    def __init__(
        self, connections: Mapping[int, WireConnection], await_log: Callable[[], None]
    ) -> None:
        self._connections = connections
        self._await_log = await_log
        self._open: set[ChannelId] = set()

    def channels(self, number: int) -> list[int]:
        """Return the open channels of a connection."""
        return [channel for of, channel in self._open if of == number]

    def forget(self, number: int) -> None:
        """Forget a closed connection."""
        self._open = {one for one in self._open if one[0] != number}

    def flush(self, queues: Mapping[str, int], quorum: Set[str] = frozenset()) -> list[str]:
        """Wait for queues, by name, each on a numbered connection; return those that are deleted.

        ``quorum`` has the names of quorum queues.
        """
        numbered = enumerate(queues.items(), FIRST_CHANNEL)
        channels = {name: (number, channel) for channel, (name, number) in numbered}
        counts = self._first_counts(channels)
        waiting = {name: channels[name] for name in counts if name in quorum}
        if waiting:
            self._await_quorum(waiting)
            counts = {name: counts[name] for name in waiting}
            counts |= self._late_counts({n: channels[n] for n in channels.keys() - waiting})
        classic = {name: channels[name] for name in counts if name not in quorum}
        for name, channel_id in classic.items():
            self._probe(channel_id, name, counts[name])
        for channel_id in classic.values():
            self._take_answer(channel_id)
        return [name for name in queues if name not in counts]

    def _first_counts(self, queues: Mapping[str, ChannelId]) -> dict[str, Arrived]:
        """Return the counts of the queues that exist; open the channels that are missing."""
        missing = [one for one in queues.values() if one not in self._open]
        for channel_id in missing:
            self._connections[channel_id[0]].send(channel_id[1], methods.CHANNEL_OPEN, "")
        for channel_id in missing:
            self._connections[channel_id[0]].take(channel_id[1])
            self._open.add(channel_id)
        return self._counts(queues)

    def _late_counts(self, queues: Mapping[str, ChannelId]) -> dict[str, Arrived]:
        """Return the counts of the classic queues that exist, including recent dead letters."""
        counts = self._first_counts(queues)
        for _ in range(COUNT_REQUESTS - 1):
            counts = self._counts({name: queues[name] for name in counts})
        return counts

    def _take_answer(self, channel_id: ChannelId) -> None:
        found = self._answer(channel_id)
        if found is None:
            return
        if found.method is methods.QUEUE_DELETE_OK:
            raise Disturbed("a queue was deleted whose last consumer was just ending")
        if found.method is methods.BASIC_GET_OK:
            self._requeue(channel_id, found)

    def _counts(self, queues: Mapping[str, ChannelId]) -> dict[str, Arrived]:
        """Return the counts of queues."""
        for name, channel_id in queues.items():
            self._request_counts(channel_id, name)
        found = {name: self._answer(channel_id) for name, channel_id in queues.items()}
        return {name: answer for name, answer in found.items() if answer is not None}

    def _request_counts(self, channel_id: ChannelId, name: str) -> None:
        """Ask a queue for its counts."""
        connection = self._connections[channel_id[0]]
        connection.send(channel_id[1], methods.QUEUE_DECLARE, 0, name, True, *[False] * 4, {})

    def _await_quorum(self, queues: Mapping[str, ChannelId]) -> None:
        self._counts(queues)
        self._await_log()
        self._counts(queues)

    def _probe(self, channel_id: ChannelId, name: str, counts: Arrived) -> None:
        """Send a classic queue with these counts a request that changes nothing."""
        connection = self._connections[channel_id[0]]
        _, ready, consumers = counts.values
        if consumers or ready:
            conditions = bool(consumers), not consumers
            connection.send(channel_id[1], methods.QUEUE_DELETE, 0, name, *conditions, False)
        else:
            connection.send(channel_id[1], methods.BASIC_GET, 0, name, False)

    def _requeue(self, channel_id: ChannelId, got: Arrived) -> None:
        """Requeue a message that was requeued meanwhile, for example when its channel closed.

        Its redelivered flag is set anyway. Raises :class:`Disturbed` for a new message.
        """
        if not got.values[1]:
            raise Disturbed("there was a message where none was to be found")
        connection = self._connections[channel_id[0]]
        connection.send(channel_id[1], methods.BASIC_NACK, got.values[0], False, True)

    def _answer(self, channel_id: ChannelId) -> Arrived | None:
        """Return the answer on a channel; None if the channel was closed."""
        connection = self._connections[channel_id[0]]
        answer = connection.take(channel_id[1])
        if answer.method is methods.CONNECTION_CLOSE:
            raise NoAnswer(f"the connection was closed: {answer.values}")
        if answer.method is methods.CHANNEL_CLOSE:
            connection.send(channel_id[1], methods.CHANNEL_CLOSE_OK)
            self._open.discard(channel_id)
            return None
        return answer
