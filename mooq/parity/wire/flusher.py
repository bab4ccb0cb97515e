"""Waiting until queues have dealt with all that they were sent, without changing them.

A queue handles ``basic.get``, and ``queue.delete`` with its conditions, behind the messages,
acknowledgements and rejections that it was sent. So a queue that has consumers is asked to be
deleted if unused, one that has messages if empty, which both refuse; any other is asked for a
message that it does not have.

A quorum queue refuses those conditions without a look at itself. It writes what it was sent to the
log that all quorum queues of a node share, and does it once it is written. So another quorum queue
of ours is asked for a message after it: its answer comes when that log has been written as far.
What was published is written last of all that a queue was sent, when it comes to it again, so it is
asked for its counts before. It is asked for them after, too: then it has done what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import TypeAlias

from mooq.amqp import methods
from mooq.errors import MooqError
from mooq.parity.wire.client import Arrived, NoAnswer, WireConnection

FIRST = 100
"""The number of the first channel of which no program knows: one for each queue."""

LOOKS = 2
"""How often a classic queue is asked for its counts before a dead letter shows in them.

It answers that before it takes what it was sent.
"""

Place: TypeAlias = tuple[int, int]


class Disturbed(MooqError):
    """Looking at the broker, or a slow machine, has changed what a program would come to."""


class Flusher:
    """Asks queues, each on a channel of its own, of a connection that may use it.

    ``await_log`` returns when all that quorum queues have to write is written.
    """

    def __init__(
        self, connections: Mapping[int, WireConnection], await_log: Callable[[], None]
    ) -> None:
        self._connections = connections
        self._await_log = await_log
        self._open: set[Place] = set()

    def channels(self, number: int) -> list[int]:
        """Return the open channels of a connection."""
        return [channel for of, channel in self._open if of == number]

    def forget(self, number: int) -> None:
        """Forget a connection that has ended."""
        self._open = {place for place in self._open if place[0] != number}

    def flush(self, queues: Mapping[str, int], quorum: Set[str] = frozenset()) -> list[str]:
        """Wait for queues, by name and number of the connection; return those that are gone.

        ``quorum`` are the names of quorum queues.
        """
        places = {
            name: (number, FIRST + index) for index, (name, number) in enumerate(queues.items())
        }
        counts = self._first_counts(places)
        waiting = {name: places[name] for name in counts if name in quorum}
        if waiting:
            self._await_quorum(waiting)
            counts = {name: counts[name] for name in waiting}
            counts |= self._late_counts({name: places[name] for name in places.keys() - waiting})
        classic = {name: places[name] for name in counts if name not in quorum}
        for name, place in classic.items():
            self._ask(place, name, counts[name])
        for place in classic.values():
            self._take_answer(place)
        return [name for name in queues if name not in counts]

    def _first_counts(self, queues: Mapping[str, Place]) -> dict[str, Arrived]:
        """Return the counts of the queues that are there; open the channels that are missing."""
        missing = [place for place in queues.values() if place not in self._open]
        for place in missing:
            self._connections[place[0]].send(place[1], methods.CHANNEL_OPEN, "")
        for place in missing:
            self._connections[place[0]].take(place[1])
            self._open.add(place)
        return self._counts(queues)

    def _late_counts(self, queues: Mapping[str, Place]) -> dict[str, Arrived]:
        """Return the counts of classic queues that exist, with dead letters on their way."""
        counts = self._first_counts(queues)
        for _ in range(LOOKS - 1):
            counts = self._counts({name: queues[name] for name in counts})
        return counts

    def _take_answer(self, place: Place) -> None:
        found = self._answer(place)
        if found is None:
            return
        if found.method is methods.QUEUE_DELETE_OK:
            raise Disturbed("a queue was deleted whose last consumer was just ending")
        if found.method is methods.BASIC_GET_OK:
            self._give_back(place, found)

    def _counts(self, queues: Mapping[str, Place]) -> dict[str, Arrived]:
        """Return the counts of queues."""
        for name, place in queues.items():
            self._look(place, name)
        found = {name: self._answer(place) for name, place in queues.items()}
        return {name: answer for name, answer in found.items() if answer is not None}

    def _look(self, place: Place, name: str) -> None:
        """Ask a queue for its counts."""
        connection = self._connections[place[0]]
        connection.send(place[1], methods.QUEUE_DECLARE, 0, name, True, *[False] * 4, {})

    def _await_quorum(self, queues: Mapping[str, Place]) -> None:
        self._counts(queues)
        self._await_log()
        self._counts(queues)

    def _ask(self, place: Place, name: str, counts: Arrived) -> None:
        """Ask a classic queue, of these counts, for what changes nothing."""
        connection = self._connections[place[0]]
        _, ready, consumers = counts.values
        if consumers or ready:
            conditions = bool(consumers), not consumers
            connection.send(place[1], methods.QUEUE_DELETE, 0, name, *conditions, False)
        else:
            connection.send(place[1], methods.BASIC_GET, 0, name, False)

    def _give_back(self, place: Place, got: Arrived) -> None:
        """Requeue a message that has come back meanwhile, as when the channel that held it ended.

        It is flagged as redelivered in any case. Raises :class:`Disturbed` for a new message.
        """
        if not got.values[1]:
            raise Disturbed("there was a message where none was to be found")
        self._connections[place[0]].send(place[1], methods.BASIC_NACK, got.values[0], False, True)

    def _answer(self, place: Place) -> Arrived | None:
        """Return the answer on a channel; None if that was closed."""
        connection = self._connections[place[0]]
        answer = connection.take(place[1])
        if answer.method is methods.CONNECTION_CLOSE:
            raise NoAnswer(f"the connection was closed: {answer.values}")
        if answer.method is methods.CHANNEL_CLOSE:
            connection.send(place[1], methods.CHANNEL_CLOSE_OK)
            self._open.discard(place)
            return None
        return answer
