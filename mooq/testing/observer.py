"""State of a test's connections, as their observed transports tell it.

Every connection of mooq's to the test's virtual host works on an observed transport, also those
that the code under test opens by itself. Other clients are not seen. A connection may be used in
the event loop of another thread, so several threads may call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, TypeVar

from mooq.client.dispatcher import CallbackTask, Dispatcher
from mooq.client.observer import Observer
from mooq.testing.observed_transport import ObservedChannel, ObservedTransport
from mooq.testing.recorder import Record, Recorder
from mooq.transports.base import Transport
from mooq.transports.event_loops import running_loop
from mooq.transports.message import Message

T = TypeVar("T")


class ConnectionObserver(Observer):
    """The state of the connections to one test's broker.

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
        self.unroutable: list[tuple[str, str]] = []
        """Exchange and key of each message that no queue got, and of which nobody was told."""
        self.put_back: list[tuple[str, Message]] = []
        """What was looked at and not meant to be: the queue, and the message, of each."""
        self.consumers: dict[str, int] = {}
        """How many consumers each queue has had."""
        self.happened: int = 0
        """How much has, to tell whether anything does."""
        self.asked: str = ""
        """What a broker was asked about and has not answered."""
        self._publishing: set[asyncio.Future[None]] = set()
        self._counting = Lock()
        self._channel_count = 0
        self._told: set[Callable[[], None]] = set()
        self._transports: list[ObservedTransport] = []
        self._failures: dict[tuple[str | None, str | None], Exception] = {}

    def next_channel(self) -> int:
        """Return the number of another channel, counted from 1."""
        with self._counting:
            self._channel_count += 1
            return self._channel_count

    def observe(self, transport: Transport, dispatcher: Dispatcher) -> Transport:
        """Return a transport that tells what happens on it."""
        observed = ObservedTransport(transport, dispatcher, self)
        self._transports.append(observed)
        return observed

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
    def publishing(self) -> list[asyncio.Future[None]]:
        """One for each message that is not confirmed yet."""
        return [one for one in tuple(self._publishing) if not one.get_loop().is_closed()]

    @property
    def channels(self) -> list[ObservedChannel]:
        """The channels that can be asked something."""
        return [channel for transport in self.transports for channel in tuple(transport.channels)]

    @property
    def callbacks(self) -> list[CallbackTask]:
        """The callbacks that have begun, also those whose connection was lost since."""
        return [
            task
            for transport in tuple(self._transports)
            for task in transport.dispatcher.running
            if not task.get_loop().is_closed()
        ]

    @property
    def unsettled(self) -> list[tuple[asyncio.AbstractEventLoop, str]]:
        """The event loop and the queue of each delivery that can be settled and is not."""
        return [
            (channel.loop, queue_name)
            for channel in self.channels
            if not channel.is_lost
            for queue_name in channel.unsettled
        ]

    @property
    def under_way(self) -> list[asyncio.Future[Any]]:
        """One for each message that is not confirmed yet, and each callback that has begun."""
        return [*self.publishing, *self.callbacks]

    @property
    def loops(self) -> set[asyncio.AbstractEventLoop]:
        """The event loops in which something is under way, or may be."""
        open_ones = {one.loop for one in self.transports if one.loop is not None}
        return open_ones | {one.get_loop() for one in self.under_way}

    @property
    def is_busy(self) -> bool:
        """Whether a publish waits for its confirm, or a delivery to be settled."""
        return bool(
            self.under_way
            or self.unsettled
            or any(transport.dispatcher.waiting for transport in self.transports)
        )

    @property
    def transports(self) -> list[ObservedTransport]:
        """The open connections."""
        return [
            one
            for one in self._transports
            if one.loop is not None and not (one.is_closed or one.is_lost or one.loop.is_closed())
        ]

    @contextmanager
    def telling(self, something: asyncio.Event) -> Iterator[None]:
        """Set an event of the running loop when anything happens within the block."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            if running_loop() is loop:
                something.set()
            else:
                with suppress(RuntimeError):  # it was closed, and nobody waits there any more
                    loop.call_soon_threadsafe(something.set)

        self._told.add(tell)
        try:
            yield
        finally:
            self._told.discard(tell)

    async def until(self, look: Callable[[], T | None]) -> T:
        """Return what ``look`` finds, once that is not None; it looks whenever anything happens."""
        something = asyncio.Event()
        with self.telling(something):
            while (found := look()) is None:
                await something.wait()
                something.clear()
            return found

    def happen(self, record: Record | None = None) -> None:
        """Take note that something has happened."""
        if record is not None:
            self.recorded.add(record)
            if record.error is not None:
                self._failures[record.message_id, record.queue_name] = record.error
        with self._counting:
            self.happened += 1
        for tell in tuple(self._told):
            tell()

    @contextmanager
    def publish(self) -> Iterator[None]:
        """Take note that a message is being published while the block lasts."""
        confirmed = asyncio.get_running_loop().create_future()
        self._publishing.add(confirmed)
        self.happen()
        try:
            yield
        finally:
            self._publishing.discard(confirmed)
            confirmed.set_result(None)
            self.happen()
