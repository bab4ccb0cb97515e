"""In-memory brokers shared by several threads, and deliveries between their event loops."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from time import sleep

from mooq.transports.direct import DirectBroker
from mooq.transports.event_loops import running_loop
from mooq.transports.timer import Timer


class SharedBroker:
    """A running broker that one thread uses at a time; ``caller`` is that thread's event loop.

    A lock would cost more than everything else here, so the first event loop takes none until a
    second loop uses the broker. It sets ``is_busy``, then checks ``is_shared``; :meth:`locked` sets
    ``is_shared``, then checks ``is_busy``. So at least one of the two sees the other.

    ``channel_max`` is the maximum number of channels of a connection.
    """

    __slots__ = (
        "_lock",
        "broker",
        "caller",
        "channel_max",
        "is_busy",
        "is_shared",
        "timer",
    )

    def __init__(self, broker: DirectBroker, channel_max: int) -> None:
        self.channel_max: int = channel_max
        self.caller: AbstractEventLoop | None = running_loop()
        self.is_busy: bool = False
        self.is_shared: bool = False
        self.broker: DirectBroker = broker
        self._lock = RLock()
        self.timer: Timer = Timer(broker.rules, self.locked)

    @contextmanager
    def locked(self) -> Iterator[DirectBroker]:
        """Use the broker exclusively during the block."""
        loop = running_loop()
        with self._lock:
            if not self.is_shared and loop is not self.caller:
                self.is_shared = True
                while self.is_busy:  # briefly and once; an event would slow down every message
                    sleep(0)
            self.caller = loop
            yield self.broker


class Mailbox:
    """Calls from other threads for the event loop of one connection, in order.

    If that loop is closed, ``unreachable`` is called instead.
    """

    __slots__ = ("_loop", "_unreachable", "calls")

    def __init__(self, loop: AbstractEventLoop, unreachable: Callable[[], None]) -> None:
        self.calls: deque[Callable[[], None]] = deque()
        self._loop = loop
        self._unreachable = unreachable

    def post(self, call: Callable[[], None]) -> None:
        """Add a call, and wake the loop."""
        self.calls.append(call)
        try:
            self._loop.call_soon_threadsafe(self.empty)
        except RuntimeError:  # it is closed
            self.calls.clear()
            self._unreachable()

    def empty(self) -> None:
        """Make the calls, in their event loop."""
        while self.calls:
            self.calls.popleft()()
