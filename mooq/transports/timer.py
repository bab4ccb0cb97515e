"""The timer of an in-memory broker, in the event loop that used the broker last."""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from typing import ClassVar

from mooq.broker.broker import Broker as Rules
from mooq.broker.outbox import dispatch_effects
from mooq.transports.event_loops import running_loop


class Timer:
    """Advances a broker's time when messages or queues expire or a consumer timeout ends.

    ``locked`` lets one thread at a time use the broker.
    """

    # Bound here, because tools that freeze time in tests replace module attributes.
    clock: ClassVar[staticmethod[[], float]] = staticmethod(monotonic)

    def __init__(self, rules: Rules, locked: Callable[[], AbstractContextManager[object]]) -> None:
        self._rules = rules
        self._locked = locked
        self._loop: AbstractEventLoop | None = None
        self._timer: TimerHandle | None = None
        rules.on_schedule = self.set

    def set(self) -> None:
        """Set the timer for the next deadline, in the running event loop if there is one.

        Call it with the broker locked, also when a loop first uses the broker: the loop that had
        the timer before may be closed or blocked.
        """
        loop, deadline = running_loop(), self._rules.next_deadline()
        if loop is None or deadline is None:
            return
        if self._timer is not None and self._loop is loop:
            if self._timer.when() - loop.time() <= deadline - self.clock():
                return  # it fires early enough, and is then reset
            self._timer.cancel()
        self._loop = loop
        self._timer = loop.call_later(max(deadline - self.clock(), 0), self._on_time, loop)

    def stop(self) -> None:
        """Stop the timer, because the broker is closed."""
        self._rules.on_schedule = None
        if self._timer is not None and self._loop is running_loop():
            self._timer.cancel()
        self._timer = None

    def _on_time(self, loop: AbstractEventLoop) -> None:
        if self._loop is loop:
            self._timer = None
        with self._locked():
            if self._rules.on_schedule is not None:
                self._rules.advance(self.clock())
                dispatch_effects(self._rules)
                self.set()
