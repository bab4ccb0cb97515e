"""Callbacks that took longer than the broker's consumer_timeout, and their redeliveries.

The broker closes the channel of such a callback and requeues its message. The redelivery is not
begun beside the callback that still runs: it is settled as that callback ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from mooq.transports.base import TransportChannel
from mooq.transports.message import Delivery, Message, Outcome


@dataclass
class _TimedOut:
    queue_name: str
    delivery: Delivery  # what the callback was given
    redelivery: tuple[TransportChannel, Delivery] | None = None
    outcome: Outcome | None = None  # of a callback that ended before the redelivery came


class TimedOutCallbacks:
    """The callbacks of one connection that took too long. ``entries`` is empty nearly always."""

    def __init__(self) -> None:
        self.entries: list[_TimedOut] = []

    def add(self, queue_name: str, delivery: Delivery) -> None:
        """Note a callback that runs on after its channel was closed.

        Its outcome is kept until the message comes back, since a callback that always takes too
        long would be begun again for ever.
        """
        self.entries = [entry for entry in self.entries if entry.delivery is not delivery]
        self.entries.append(_TimedOut(queue_name, delivery))

    async def take_up(
        self, queue_name: str, channel: TransportChannel, redelivery: Delivery
    ) -> bool:
        """Keep a redelivery for the running callback that it belongs to; False without one."""
        for entry in self.entries:
            if (
                entry.redelivery is None
                and entry.queue_name == queue_name
                and _is_same(entry.delivery.message, redelivery.message)
            ):
                if entry.outcome is None:
                    entry.redelivery = channel, redelivery
                else:
                    self.entries.remove(entry)
                    await channel.settle(redelivery, entry.outcome)
                return True
        return False

    async def settle(self, channel: TransportChannel, delivery: Delivery, outcome: Outcome) -> None:
        """Settle what a callback was given, or the redelivery of it, or keep the outcome for it."""
        for entry in self.entries:
            if entry.delivery is delivery:
                if entry.redelivery is None:
                    entry.outcome = outcome
                    return
                channel, delivery = entry.redelivery
                self.entries.remove(entry)
                break
        await channel.settle(delivery, outcome)


def _is_same(one: Message, other: Message) -> bool:
    # Not by headers: a quorum queue counts deliveries there.
    return (
        one.message_id == other.message_id
        and one.routing_key == other.routing_key
        and one.exchange == other.exchange
        and one.body == other.body
    )
