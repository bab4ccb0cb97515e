"""One broker's way out: its effects to whom they concern, its timer, its connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mooq.broker import effects
from mooq.broker.effects import Effect

if TYPE_CHECKING:
    from mooq.broker.broker import Broker
    from mooq.server.protocol import ClientProtocol
    from mooq.server.session import Session

_OF_CONNECTIONS = (effects.ConnectionClosed, effects.Blocked, effects.Unblocked)


class Outlet:
    """The one who drains a broker's outbox, in the loop that owns the broker.

    An effect goes to the ``door`` of the channel or connection that it concerns, so that clients of
    several kinds share one broker. After requests to the broker, :meth:`settle` is to be called.
    """

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self.broker = broker
        self._loop = loop
        self._changed: list[Session] = []
        self._timer: asyncio.TimerHandle | None = None
        self.protocols: dict[Session, ClientProtocol] = {}

    def changed(self, session: Session) -> None:
        """Remember that a session may have something to send."""
        if not session.is_dirty:
            session.is_dirty = True
            self._changed.append(session)

    def advance(self) -> float:
        """Give the broker the time, in seconds of the loop's clock, and return it."""
        now = self._loop.time()
        self.broker.advance(now)
        return now

    def drain(self) -> None:
        """Hand every effect in the outbox to whom it concerns."""
        outbox = self.broker.outbox
        while outbox:
            effect: Effect = outbox.popleft()
            if type(effect) in _OF_CONNECTIONS:
                door = effect.connection.door  # type: ignore[union-attr]
            else:
                door = effect.channel.door  # type: ignore[union-attr]
            if door is not None:
                door.take(effect)

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
        self.advance()
        self.settle()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
