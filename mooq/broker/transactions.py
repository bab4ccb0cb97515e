"""Transactions of a channel: publishes and settlements that wait for tx.commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.broker.deliveries import Unacknowledged
    from mooq.broker.message import Message
    from mooq.broker.queue import Queue


class Transaction:
    """What has been published and settled since the last commit or rollback."""

    def __init__(self) -> None:
        self._published: list[tuple[Message, list[Queue], bool]] = []
        self._settled: list[tuple[dict[int, Unacknowledged], Callable[[], None]]] = []

    def publish(self, message: Message, queues: list[Queue], mandatory: bool) -> None:
        """Keep a message, which is routed already."""
        self._published.append((message, queues, mandatory))

    def settle(self, taken: dict[int, Unacknowledged], settle: Callable[[], None]) -> None:
        """Keep a settlement."""
        self._settled.append((taken, settle))

    def commit(self, put: Callable[[Message, list[Queue], bool], None]) -> None:
        """Do everything: first messages, then settlements."""
        published, self._published = self._published, []
        settled, self._settled = self._settled, []
        for message, queues, mandatory in published:
            put(message, queues, mandatory)
        for _, settle in settled:
            settle()

    def roll_back(self) -> dict[int, Unacknowledged]:
        """Forget everything; return what is unacknowledged again."""
        self._published.clear()
        settled, self._settled = self._settled, []
        again: dict[int, Unacknowledged] = {}
        for taken, _ in settled:
            again |= taken
        return again
