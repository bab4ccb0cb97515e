"""Waiting until queues have dealt with all that they were sent, without changing them.

A queue handles ``basic.get``, and ``queue.delete`` with its conditions, behind the messages,
acknowledgements and rejections that it was sent. So a queue that has consumers is asked to be
deleted if unused, one that has messages if empty, which both refuse; any other is asked for a
message that it does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from mooq.amqp import methods
from mooq.errors import MooqError
from mooq.parity.wire.client import Arrived, WireConnection

FIRST = 100
"""The number of the first channel of which no program knows: one for each queue."""

Place: TypeAlias = tuple[int, int]


class Disturbed(MooqError):
    """Looking at the broker, or a slow machine, has changed what a program would come to."""


class Flusher:
    """Asks queues, each on a channel of its own, of a connection that may use it."""

    def __init__(self, connections: Mapping[int, WireConnection]) -> None:
        self._connections = connections
        self._open: set[Place] = set()

    def channels(self, number: int) -> list[int]:
        """Return the open channels of a connection."""
        return [channel for of, channel in self._open if of == number]

    def forget(self, number: int) -> None:
        """Forget a connection that has ended."""
        self._open = {place for place in self._open if place[0] != number}

    def flush(self, queues: Mapping[str, int]) -> list[str]:
        """Wait for queues, by name and number of the connection; return those that are gone."""
        places = [(number, FIRST + index) for index, number in enumerate(queues.values())]
        for place, name in zip(places, queues, strict=True):
            connection = self._connections[place[0]]
            if place not in self._open:
                connection.send(place[1], methods.CHANNEL_OPEN, "")
            connection.send(place[1], methods.QUEUE_DECLARE, 0, name, True, *[False] * 4, {})
        gone = []
        asked = []
        for place, name in zip(places, queues, strict=True):
            if place not in self._open:
                self._connections[place[0]].take(place[1])
                self._open.add(place)
            answer = self._answer(place)
            if answer is None:
                gone.append(name)
                continue
            connection = self._connections[place[0]]
            _, ready, consumers = answer.values
            if consumers or ready:
                conditions = bool(consumers), not consumers
                connection.send(place[1], methods.QUEUE_DELETE, 0, name, *conditions, False)
            else:
                connection.send(place[1], methods.BASIC_GET, 0, name, False)
            asked.append(place)
        for place in asked:
            answer = self._answer(place)
            if answer is not None and answer.method is methods.BASIC_GET_OK:
                self._give_back(place, answer)
        return gone

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
        if answer.method is methods.CHANNEL_CLOSE:
            connection.send(place[1], methods.CHANNEL_CLOSE_OK)
            self._open.discard(place)
            return None
        return answer
