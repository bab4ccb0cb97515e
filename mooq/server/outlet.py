"""One broker's way out: its effects to whom they concern, its timer, its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING

from mooq.broker.outbox import hand_on

if TYPE_CHECKING:
    from mooq.broker.broker import Broker
    from mooq.server.protocol import ClientProtocol
    from mooq.server.session import Session


class Working:
    """The time in which the server's loop works on the broker."""

    def __init__(self, held: Callable[[], AbstractContextManager[object]]) -> None:
        self.is_active: bool = False
        self._held = held
        self._holding: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        holding = self._held()
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


class Outlet:
    """The one who drains a broker's outbox, in the loop that owns the broker.

    An effect goes to the ``door`` of the channel or connection that it concerns, so that clients of
    several kinds share one broker. What the server's own loop does to the broker is within
    ``working``, and :meth:`settle` is called at its end. ``held`` keeps other threads from the
    broker meanwhile; what they do to it is sent by the server's loop, which is woken for it.
    """

    def __init__(
        self,
        broker: Broker,
        loop: asyncio.AbstractEventLoop,
        held: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.broker = broker
        self.working: Working = Working(held)
        self._loop = loop
        self._is_woken = False
        self._timer_before, broker.on_schedule = broker.on_schedule, self._wake
        self._changed: list[Session] = []
        self._timer: asyncio.TimerHandle | None = None
        self.protocols: dict[Session, ClientProtocol] = {}

    def changed(self, session: Session) -> None:
        """Remember that a session may have something to send."""
        if not session.is_dirty:
            session.is_dirty = True
            self._changed.append(session)
        self._wake()

    def _wake(self) -> None:
        """Have what somebody else did to the broker sent, soon."""
        if not self.working.is_active and not self._is_woken:
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        self._is_woken = False
        with self.working:
            self.advance()
            self.settle()

    def advance(self) -> float:
        """Give the broker the time, in seconds of the loop's clock, and return it."""
        now = self._loop.time()
        self.broker.advance(now)
        return now

    def drain(self) -> None:
        """Hand every effect in the outbox to whom it concerns."""
        hand_on(self.broker)

    def settle(self) -> None:
        """Send everything that requests or time have caused, and set the timer anew."""
        self.drain()
        while self._changed:
            changed, self._changed = self._changed, []
            for session in changed:
                session.is_dirty = False
                protocol = self.protocols.get(session)
                if protocol is not None:
                    protocol.flush()
            self.drain()
        self._set_timer()

    def _set_timer(self) -> None:
        deadline = self.broker.next_deadline()
        timer = self._timer
        if timer is not None:
            if deadline is not None and timer.when() <= deadline:
                return  # it comes in time, and then looks again
            timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        with self.working:
            self.advance()
            self.settle()

    def close(self) -> None:
        """Stop the timer, and leave the time to whoever kept it before."""
        self.broker.on_schedule = self._timer_before
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
