"""Manual acknowledgement."""

from __future__ import annotations

from mooq.errors import BrokerConnectionError, MooqError
from mooq.transports.base import TransportChannel
from mooq.transports.message import Delivery, Outcome


class ManualDelivery:
    """A delivery that the service settles itself, in the callback or at any time later.

    It is the second argument of a callback registered with ``manual=True``. Until it is settled it
    counts towards ``prefetch_count``. If it is never settled, it returns to its queue when the
    channel closes. Each method raises :class:`~mooq.MooqError` if the delivery is already settled,
    and :class:`~mooq.BrokerConnectionError` if the broker has taken it back: the connection or the
    channel was lost, so that the message is delivered again, or its queue was deleted.
    """

    def __init__(self, channel: TransportChannel, delivery: Delivery, queue_name: str) -> None:
        self._channel = channel
        self._delivery = delivery
        self._queue_name = queue_name
        self._settled = ""

    @property
    def is_settled(self) -> bool:
        """Whether it was acknowledged, rejected or requeued."""
        return bool(self._settled)

    async def acknowledge(self) -> None:
        """Acknowledge the message, so that the broker deletes it."""
        await self._settle("acknowledged", Outcome.ACKNOWLEDGE)

    async def reject(self) -> None:
        """Reject the message: it is dead-lettered if its queue says so, else discarded."""
        await self._settle("rejected", Outcome.REJECT)

    async def requeue(self) -> None:
        """Requeue the message: it is delivered again at once, to any consumer of its queue.

        A quorum queue counts this towards its delivery limit.
        """
        await self._settle("requeued", Outcome.REQUEUE)

    async def _settle(self, settled: str, outcome: Outcome) -> None:
        what = (
            f"message {self._delivery.message.message_id} of queue {self._queue_name!r} at "
            f"{self._channel.address}"
        )
        if self._settled:
            raise MooqError(
                f"{what} cannot be {settled}: it was already {self._settled}; settle a "
                "delivery only once"
            )
        if not self._channel.holds(self._delivery):
            raise BrokerConnectionError(
                f"{what} cannot be {settled}: the connection or the channel was lost, and the "
                "broker delivers the message again; or the queue was deleted with it",
                transient=False,
            )
        self._settled = settled
        await self._channel.settle(self._delivery, outcome)
