"""What is told of a test's connections: one seam, above both transports.

Every connection of mooq's to the test's virtual host works on a watched transport, also those
that the code under test opens by itself. What other clients do there is not seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mooq.dispatcher import CallbackTask, Dispatcher
from mooq.message import Message
from mooq.testing.recorder import Record, Recorder
from mooq.testing.watched_transport import WatchedChannel, WatchedTransport
from mooq.transports.base import Transport
from mooq.watching import Watcher


class Watch(Watcher):
    """Everything that is known of the connections to one test's broker.

    ``redelivers`` is whether each message is delivered a second time once its callback is done.
    """

    def __init__(self, *, redelivers: bool = False) -> None:
        self.redelivers = redelivers
        self.recorded: Recorder = Recorder()
        self.queues: set[str] = set()
        """Names of the queues that were declared, or consumed from."""
        self.dead_letter_exchanges: dict[str, str] = {}
        """The dead-letter exchange of each queue that was declared with one."""
        self.dropped: list[tuple[str, str]] = []
        """The queue and the missing dead-letter exchange of each message that was dropped."""
        self.put_back: list[tuple[str, Message]] = []
        """What was looked at and not meant to be: the queue, and the message, of each."""
        self.consumers: dict[str, int] = {}
        """How many consumers each queue has had."""
        self.publishing: set[asyncio.Future[None]] = set()
        """One for each message that is not confirmed yet."""
        self.happened: int = 0
        """How much has, to tell whether anything does."""
        self.asked: str = ""
        """What a broker was asked about and has not answered."""
        self.something: asyncio.Event = asyncio.Event()
        """Set when anything happens."""
        self._transports: list[WatchedTransport] = []
        self._failures: dict[tuple[str | None, str | None], Exception] = {}

    def watch(self, transport: Transport, dispatcher: Dispatcher) -> Transport:
        """Return a transport that tells what happens on it."""
        watched = WatchedTransport(transport, dispatcher, self)
        self._transports.append(watched)
        return watched

    def raised(self, failures: Sequence[Exception]) -> None:
        """Leave what is raised to its caller out of the failures that nobody has seen."""
        self._failures = {
            which: error for which, error in self._failures.items() if error not in failures
        }

    def take_failures(self) -> list[Exception]:
        """Return what callbacks raised that nobody was told of yet, the last of each message."""
        failures, self._failures = self._failures, {}
        return list(failures.values())

    @property
    def channels(self) -> list[WatchedChannel]:
        """The channels that can be asked something."""
        return [channel for transport in self._open for channel in transport.channels]

    @property
    def dispatchers(self) -> list[Dispatcher]:
        """Where the deliveries of open connections arrive."""
        return [transport.dispatcher for transport in self._open]

    @property
    def callbacks(self) -> list[CallbackTask]:
        """The callbacks that have begun, also those whose connection was lost since."""
        return [task for transport in self._transports for task in transport.dispatcher.running]

    @property
    def _open(self) -> list[WatchedTransport]:
        return [one for one in self._transports if not one.is_closed and not one.is_lost]

    def happen(self, record: Record | None = None) -> None:
        """Take note that something has happened."""
        self.happened += 1
        self.something.set()
        if record is not None:
            self.recorded.add(record)
            if record.error is not None:
                self._failures[record.message_id, record.queue_name] = record.error

    @contextmanager
    def publish(self) -> Iterator[None]:
        """Take note that a message is being published while the block lasts."""
        confirmed = asyncio.get_running_loop().create_future()
        self.publishing.add(confirmed)
        self.happen()
        try:
            yield
        finally:
            self.publishing.discard(confirmed)
            confirmed.set_result(None)
            self.happen()
