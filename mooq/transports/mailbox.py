"""A broker of this process that several threads use, and what it sends from one to another."""

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
    """A broker that runs, used by one thread at a time; ``caller`` is the event loop of that one.

    A lock costs more than all else that a thread of its own would: until a second event loop uses
    the broker, the first one takes none. It sets ``is_busy`` instead, then looks at ``is_shared``;
    :meth:`held` sets ``is_shared``, then looks at ``is_busy``. So one of the two sees the other.

    ``channel_max`` is the most channels that a connection may have.
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
        self.timer: Timer = Timer(broker.rules, self.held)

    @contextmanager
    def held(self) -> Iterator[DirectBroker]:
        """Have the broker to oneself within the block."""
        loop = running_loop()
        with self._lock:
            if not self.is_shared and loop is not self.caller:
                self.is_shared = True
                while self.is_busy:  # for microseconds, once; an event would cost every message
                    sleep(0)
            self.caller = loop
            yield self.broker


class Mailbox:
    """Calls that other threads have left for the event loop of one connection, in order.

    ``unreachable`` is called instead once that loop is closed.
    """

    __slots__ = ("_loop", "_unreachable", "calls")

    def __init__(self, loop: AbstractEventLoop, unreachable: Callable[[], None]) -> None:
        self.calls: deque[Callable[[], None]] = deque()
        self._loop = loop
        self._unreachable = unreachable

    def post(self, call: Callable[[], None]) -> None:
        """Leave a call, and wake the loop."""
        self.calls.append(call)
        try:
            self._loop.call_soon_threadsafe(self.empty)
        except RuntimeError:  # it is closed
            self.calls.clear()
            self._unreachable()

    def empty(self) -> None:
        """Make the calls, in the loop they are for."""
        while self.calls:
            self.calls.popleft()()
