"""Callbacks that took longer than the broker's consumer_timeout, and their redeliveries.

The broker closes the channel of such a callback and requeues its message. The redelivery does not
start the callback a second time: it is settled when the running callback ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from mooq.transports.base import TransportChannel
from mooq.transports.message import Delivery, Message, Outcome


@dataclass
class _TimedOut:
    queue_name: str
    delivery: Delivery  # the callback's delivery
    redelivery: tuple[TransportChannel, Delivery] | None = None
    outcome: Outcome | None = None  # if the callback ended before the redelivery


class TimedOutCallbacks:
    """The callbacks of one connection that took too long. ``entries`` is nearly always empty."""

    def __init__(self) -> None:
        self.entries: list[_TimedOut] = []

    def add(self, queue_name: str, delivery: Delivery) -> None:
        """Take note of a callback that is still running after its channel was closed.

        Its outcome is kept until the message is redelivered. Otherwise a callback that always takes
        too long would be started again forever.
        """
        self.entries = [entry for entry in self.entries if entry.delivery is not delivery]
        self.entries.append(_TimedOut(queue_name, delivery))

    async def take_up(
        self, queue_name: str, channel: TransportChannel, redelivery: Delivery
    ) -> bool:
        """Keep a redelivery for the running callback that it belongs to; return False if none
        does."""
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
        """Settle a callback's delivery or redelivery, or keep the outcome until it is
        redelivered."""
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
    # Do not compare headers: a quorum queue counts deliveries there.
    return (
        one.message_id == other.message_id
        and one.routing_key == other.routing_key
        and one.exchange == other.exchange
        and one.body == other.body
    )
