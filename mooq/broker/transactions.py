"""Transactions of a channel: publishes and settlements that wait for tx.commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from mooq.broker.refusals import Refusal

if TYPE_CHECKING:
    from mooq.broker.deliveries import Settlement, Unacknowledged
    from mooq.broker.message import Message
    from mooq.broker.queue import Queue


class Publish(NamedTuple):
    """A message that is already routed; ``is_complete`` is whether all its queues exist."""

    message: Message
    queues: list[Queue]
    mandatory: bool
    is_complete: bool = True


class Transaction:
    """The publishes and settlements since the last commit or rollback."""

    def __init__(self) -> None:
        self._published: list[Publish] = []
        self._settled: list[tuple[dict[int, Unacknowledged], Settlement]] = []

    def publish(self, message: Message, queues: list[Queue], mandatory: bool) -> None:
        """Add a message that is already routed."""
        self._published.append(Publish(message, queues, mandatory))

    def settle(self, taken: dict[int, Unacknowledged], settle: Settlement) -> None:
        """Add a settlement; one of the same kind as the last becomes part of it."""
        if self._settled and self._settled[-1][1] == settle:
            self._settled[-1][0].update(taken)
        else:
            self._settled.append((dict(taken), settle))

    def commit(
        self,
        find: Callable[[Publish], Publish],
        put: Callable[[Message, list[Queue], bool], bool],
        acknowledge: Settlement,
    ) -> bool:
        """Carry out everything; return whether each message was taken by each of its queues.

        A classic queue first handles acknowledgements, then publishes, then other settlements
        (``prioritise_cast()`` in ``rabbit_amqqueue_process``). ``find`` finds the queues of a
        publish again. If it raises a refusal, only the publishes before are carried out.
        """
        published, self._published = self._published, []
        found: list[Publish] = []
        try:
            found.extend(map(find, published))
        except Refusal:
            _put_all(found, put)
            raise
        # What is unroutable returns first.
        is_complete = _put_all([one for one in found if not one.queues], put)
        settled, self._settled = self._settled, []
        for taken, settle in settled:
            if settle == acknowledge:
                first = {tag: one for tag, one in sorted(taken.items()) if one[1].is_classic}
                for tag in first:
                    del taken[tag]
                settle(first)
        is_complete &= _put_all([one for one in found if one.queues], put)
        for taken, settle in settled:
            settle(dict(sorted(taken.items())))
        return is_complete

    def roll_back(self) -> dict[int, Unacknowledged]:
        """Discard everything; return the deliveries that are unacknowledged again."""
        self._published.clear()
        settled, self._settled = self._settled, []
        again: dict[int, Unacknowledged] = {}
        for taken, _ in settled:
            again |= taken
        return again


def _put_all(published: list[Publish], put: Callable[[Message, list[Queue], bool], bool]) -> bool:
    is_complete = True
    for one in published:
        is_taken = put(one.message, one.queues, one.mandatory)
        is_complete = is_complete and is_taken and one.is_complete
    return is_complete
