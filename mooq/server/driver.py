"""The driver of a broker: dispatches its effects, keeps its timer and its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING

from mooq.broker.outbox import dispatch_effects
from mooq.server.deadline import DeadlineTimer

if TYPE_CHECKING:
    from mooq.broker.broker import Broker
    from mooq.server.protocol import ClientProtocol
    from mooq.server.session import Session


class BrokerAccess:
    """A block in which the server's event loop uses the broker exclusively."""

    def __init__(self, locked: Callable[[], AbstractContextManager[object]]) -> None:
        self.is_active: bool = False
        self._locked = locked
        self._holding: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        holding = self._locked()
        holding.__enter__()
        self._holding = holding
        self.is_active = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_active = False
        holding, self._holding = self._holding, None
        assert holding is not None
        holding.__exit__(kind, error, traceback)


class BrokerDriver:
    """Drives a broker from an event loop.

    Each effect goes to the ``effect_handler`` of its channel or connection, so different kinds of
    clients can share a broker. The server's loop uses the broker only within ``access``, and calls
    :meth:`flush` before leaving it. ``locked`` is the lock of a broker that other threads use too.
    When they cause effects, they wake the loop to send them.
    """

    def __init__(
        self,
        broker: Broker,
        loop: asyncio.AbstractEventLoop,
        locked: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.broker = broker
        self.access: BrokerAccess = BrokerAccess(locked)
        self._loop = loop
        self._is_woken = False
        self._timer_before, broker.on_schedule = broker.on_schedule, self._wake
        self._changed: list[Session] = []
        self._timer: DeadlineTimer = DeadlineTimer(loop, self._on_time)
        self.protocols: dict[Session, ClientProtocol] = {}

    def changed(self, session: Session) -> None:
        """Note that a session may have something to send."""
        if not session.is_dirty:
            session.is_dirty = True
            self._changed.append(session)
        self._wake()

    def _wake(self) -> None:
        """Schedule a flush after a change made outside ``access``."""
        if not self.access.is_active and not self._is_woken:
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        self._is_woken = False
        with self.access:
            self.advance()
            self.flush()

    def advance(self) -> float:
        """Set the broker's time to that of the loop's clock, in seconds, and return it."""
        now = self._loop.time()
        self.broker.advance(now)
        return now

    def drain(self) -> None:
        """Dispatch every effect in the outbox."""
        dispatch_effects(self.broker)

    def flush(self) -> None:
        """Send everything that requests or time have caused, and reset the timer."""
        self.drain()
        while self._changed:
            changed, self._changed = self._changed, []
            for session in changed:
                session.is_dirty = False
                protocol = self.protocols.get(session)
                if protocol is not None:
                    protocol.flush()
            self.drain()
        self._timer.set(self.broker.next_deadline())

    def _on_time(self) -> None:
        with self.access:
            self.advance()
            self.flush()

    def close(self) -> None:
        """Stop the timer, and restore the previous ``on_schedule`` callback."""
        self.broker.on_schedule = self._timer_before
        self._timer.cancel()
