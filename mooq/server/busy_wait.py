"""A short busy wait for the next request, for a server that has a process of its own.

Waking a process takes a client longer than what the in-memory broker does for most requests. After
each request, `mooq serve` therefore looks for the next one for a moment before it sleeps, as the
schedulers of RabbitMQ's Erlang do (https://www.erlang.org/doc/apps/erts/erl_cmd, ``+sbwt``).
"""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Callable
from time import perf_counter

LOOKING = 200e-6
"""Seconds for which the next event is looked for; a client's next request mostly comes sooner."""

TAKEN = 100e-6
"""Seconds after which a processor that was yielded counts as used by another process."""

RESTING = 0.01
"""Seconds without busy waits after another process has used the processor."""


class BusyWaitSelector(selectors.DefaultSelector):
    """Looks for an event repeatedly before it sleeps, as long as the processor is otherwise idle.

    It yields the processor each time. If another process uses it, ``RESTING`` seconds begin in
    which this selector sleeps at once. ``yield_processor`` is the system call that yields.
    """

    def __init__(self, yield_processor: Callable[[], object], clock: Callable[[], float]) -> None:
        super().__init__()
        self._yield_processor = yield_processor
        self._clock = clock
        self._rests_until = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the ready events; wait ``timeout`` seconds at most, or forever if it is None."""
        now = self._clock()
        if (timeout is None or timeout > 0) and now >= self._rests_until:
            end = now + (LOOKING if timeout is None else min(LOOKING, timeout))
            while now < end:
                if events := super().select(0):
                    return events
                looked = self._clock()
                self._yield_processor()
                now = self._clock()
                if now - looked > TAKEN:
                    self._rests_until = now + RESTING
                    break
        return super().select(timeout)


def event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop that waits like this; the system's usual one on Windows."""
    if not hasattr(os, "sched_yield"):
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(BusyWaitSelector(os.sched_yield, perf_counter))
