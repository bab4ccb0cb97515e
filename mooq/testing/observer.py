"""The state of a test's connections, as their observed transports report it.

Every mooq connection to the test's virtual host uses an observed transport, including connections
that the code under test opens itself. Other clients are not seen. A connection may be used in
another thread's event loop, so several threads may call.
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

    With ``redelivers``, each message is delivered a second time when its callback is done.
    """

    def __init__(self, *, redelivers: bool = False) -> None:
        self.redelivers = redelivers
        self.recorded: Recorder = Recorder()
        self.queues: set[str] = set()
        """The queues that were declared or consumed from."""
        self.dead_letter_exchanges: dict[str, str] = {}
        """The dead-letter exchange of each queue that was declared with one."""
        self.dropped: list[tuple[str, str]] = []
        """The queue and the missing dead-letter exchange of each message that was dropped."""
        self.unroutable: list[tuple[str, str]] = []
        """Exchange and key of each message that reached no queue, unknown to its publisher."""
        self.put_back: list[tuple[str, Message]] = []
        """Messages that a probe took unintentionally: the queue and the message of each."""
        self.consumers: dict[str, int] = {}
        """The number of consumers that each queue has had."""
        self.happened: int = 0
        """A counter of events, to detect whether anything happens."""
        self.asked: str = ""
        """The pending request to a broker, for an error."""
        self._publishing: set[asyncio.Future[None]] = set()
        self._counting = Lock()
        self._channel_count = 0
        self._told: set[Callable[[], None]] = set()
        self._transports: list[ObservedTransport] = []
        self._failures: dict[tuple[str | None, str | None], Exception] = {}

    def next_channel(self) -> int:
        """Return the number for a new channel, counted from 1."""
        with self._counting:
            self._channel_count += 1
            return self._channel_count

    def observe(self, transport: Transport, dispatcher: Dispatcher) -> Transport:
        """Return a transport that reports to this observer."""
        observed = ObservedTransport(transport, dispatcher, self)
        self._transports.append(observed)
        return observed

    def raised(self, failures: Sequence[Exception]) -> None:
        """Do not count exceptions that were raised to the caller as unseen."""
        self._failures = {
            which: error for which, error in self._failures.items() if error not in failures
        }

    def take_failures(self) -> list[Exception]:
        """Return callback exceptions that nothing has seen, the last one of each message."""
        failures, self._failures = self._failures, {}
        return list(failures.values())

    @property
    def publishing(self) -> list[asyncio.Future[None]]:
        """One entry for each unconfirmed message."""
        return [one for one in tuple(self._publishing) if not one.get_loop().is_closed()]

    @property
    def channels(self) -> list[ObservedChannel]:
        """The channels that can answer a request."""
        return [channel for transport in self.transports for channel in tuple(transport.channels)]

    @property
    def callbacks(self) -> list[CallbackTask]:
        """The running callbacks, including those whose connection was lost."""
        return [
            task
            for transport in tuple(self._transports)
            for task in transport.dispatcher.running
            if not task.get_loop().is_closed()
        ]

    @property
    def unsettled(self) -> list[tuple[asyncio.AbstractEventLoop, str]]:
        """The event loop and queue of each unsettled delivery."""
        return [
            (channel.loop, queue_name)
            for channel in self.channels
            if not channel.is_lost
            for queue_name in channel.unsettled
        ]

    @property
    def under_way(self) -> list[asyncio.Future[Any]]:
        """One entry for each unconfirmed message and each running callback."""
        return [*self.publishing, *self.callbacks]

    @property
    def loops(self) -> set[asyncio.AbstractEventLoop]:
        """The event loops that are busy, or may be."""
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
        """Set an event of the running loop whenever anything happens within the block."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            if running_loop() is loop:
                something.set()
            else:
                with suppress(RuntimeError):  # it was closed, so nothing waits there
                    loop.call_soon_threadsafe(something.set)

        self._told.add(tell)
        try:
            yield
        finally:
            self._told.discard(tell)

    async def until(self, look: Callable[[], T | None]) -> T:
        """Return the first result of ``look`` that is not None; call it at every event."""
        something = asyncio.Event()
        with self.telling(something):
            while (found := look()) is None:
                await something.wait()
                something.clear()
            return found

    def happen(self, record: Record | None = None) -> None:
        """Record that something happened."""
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
        """Record that a message is being published during the block."""
        confirmed = asyncio.get_running_loop().create_future()
        self._publishing.add(confirmed)
        self.happen()
        try:
            yield
        finally:
            self._publishing.discard(confirmed)
            confirmed.set_result(None)
            self.happen()
