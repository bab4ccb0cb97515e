"""All client connections to one test's broker."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from mooq.basics.wording import counted
from mooq.testing.clients.channel import ClientChannel, Consumer
from mooq.testing.clients.tap import Tap

if TYPE_CHECKING:
    from mooq.testing.observer import ConnectionObserver
    from mooq.testing.recorder import Record


class ClientActivity:
    """The state of all client connections; records go to the observer of mooq's connections."""

    def __init__(self, observer: ConnectionObserver) -> None:
        self.observer: ConnectionObserver = observer
        self.put_back: Counter[str] = Counter()
        """The number of messages of each queue that a probe took and requeued."""
        self._taps: list[Tap] = []

    def tap(self) -> Tap:
        """Return the tap for a new connection."""
        tap = Tap(self)
        self._taps.append(tap)
        return tap

    def forget(self, tap: Tap) -> None:
        """Remove a closed connection."""
        if tap in self._taps:
            self._taps.remove(tap)
        self.happen()

    def happen(self, record: Record | None = None) -> None:
        """Record that something happened."""
        self.observer.happen(record)

    @property
    def taps(self) -> list[Tap]:
        """The open connections."""
        return list(self._taps)

    @property
    def channels(self) -> list[ClientChannel]:
        """The channels of all open connections."""
        return [channel for tap in self.taps for channel in list(tap.channels.values())]

    @property
    def is_busy(self) -> bool:
        """Whether a publish is unconfirmed, a request unanswered, or a delivery unsettled."""
        return any(channel.is_busy for channel in self.channels)

    @property
    def unsettled(self) -> Counter[str]:
        """The number of unsettled deliveries of each queue."""
        return Counter(
            delivery.queue_name
            for channel in self.channels
            for delivery in list(channel.unsettled.values())
        )

    @property
    def consumed(self) -> set[str]:
        """The queues that have consumers."""
        return {consumer.queue_name for consumer in self._consumers}

    @property
    def _consumers(self) -> list[Consumer]:
        return [consumer for tap in self.taps for consumer in tap.consumers]

    def seen(self) -> list[str]:
        """Return a description of what is in progress."""
        unconfirmed = sum(len(channel.unconfirmed) for channel in self.channels)
        incomplete = sum(channel.publishing is not None for channel in self.channels)
        requests = [name for channel in self.channels for name in channel.own_requests]
        return [
            *([f"{counted(unconfirmed, 'message')} not confirmed"] if unconfirmed else []),
            *([f"{counted(incomplete, 'message')} not published completely"] if incomplete else []),
            *(f"no answer to {name}" for name in requests),
            *(
                f"{counted(count, 'message')} of queue {name!r} not settled"
                for name, count in self.unsettled.items()
            ),
        ]

    def silent(self) -> list[str]:
        """Return a description of what gives no sign of whether it is done."""
        queues = {consumer.queue_name for consumer in self._consumers if consumer.no_ack}
        found = [
            f"a consumer of queue {name!r} acknowledges nothing (no_ack)" for name in sorted(queues)
        ]
        if any(channel.has_published_unconfirmed for channel in self.channels):
            found.append("a channel publishes without confirms")
        return found
