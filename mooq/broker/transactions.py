"""Transactions of a channel: publishes and settlements that wait for tx.commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.broker.deliveries import Settlement, Unacknowledged
    from mooq.broker.message import Message
    from mooq.broker.queue import Queue


class Transaction:
    """The publishes and settlements since the last commit or rollback."""

    def __init__(self) -> None:
        self._published: list[tuple[Message, list[Queue], bool]] = []
        self._settled: list[tuple[dict[int, Unacknowledged], Settlement]] = []

    def publish(self, message: Message, queues: list[Queue], mandatory: bool) -> None:
        """Add a message that is already routed."""
        self._published.append((message, queues, mandatory))

    def settle(self, taken: dict[int, Unacknowledged], settle: Settlement) -> None:
        """Add a settlement; one of the same kind as the last becomes part of it."""
        if self._settled and self._settled[-1][1] == settle:
            self._settled[-1][0].update(taken)
        else:
            self._settled.append((dict(taken), settle))

    def commit(self, put: Callable[[Message, list[Queue], bool], None]) -> None:
        """Carry out all publishes, then all settlements."""
        published, self._published = self._published, []
        settled, self._settled = self._settled, []
        for message, queues, mandatory in published:
            put(message, queues, mandatory)
        for taken, settle in settled:
            settle(dict(sorted(taken.items())))

    def roll_back(self) -> dict[int, Unacknowledged]:
        """Discard everything; return the deliveries that are unacknowledged again."""
        self._published.clear()
        settled, self._settled = self._settled, []
        again: dict[int, Unacknowledged] = {}
        for taken, _ in settled:
            again |= taken
        return again
