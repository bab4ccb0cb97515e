"""Reporting callbacks that block the event loop.

A callback runs in steps, from one await to the next. Nothing else runs during a step: no other
callback, no heartbeat, no confirm. Each step is timed with two clock readings. consumer.py times
the first step, which for most callbacks is the only one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from time import monotonic
from types import coroutine
from typing import Any, NamedTuple, TypeAlias

NEGLIGIBLE = 0.001  # seconds: no shorter step is reported, whatever the threshold

log: logging.Logger = logging.getLogger("mooq.blocking")

Steps: TypeAlias = Coroutine[Any, Any, Any]
Awaiting: TypeAlias = Generator[Any, Any, Any]


@coroutine
def rest(steps: Steps, awaited: object, report: Callable[[float], None]) -> Awaiting:
    """Run the steps of a coroutine after its first, which ended by awaiting something.

    ``report`` is called with the seconds of each step that is not negligible.
    """
    step: Callable[[Any], Any]
    while True:
        try:
            value = yield awaited
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as error:  # noqa: BLE001 - it is passed on
            step, value = steps.throw, error
        else:
            step = steps.send
        began = monotonic()
        try:
            awaited = step(value)
        except StopIteration as done:
            return done.value
        finally:
            if (took := monotonic() - began) > NEGLIGIBLE:
                report(took)


class LongBlock(NamedTuple):
    """A callback that blocked the event loop, and when it ended."""

    callback: str
    queue_name: str
    took: float
    ended: float


def report_block(callback: str, queue_name: str, took: float) -> None:
    """Log that a callback blocked the loop, if for longer than its ``slow_callback_duration``."""
    if took > asyncio.get_running_loop().slow_callback_duration:
        log.warning(
            "callback %s, queue %r, blocked the event loop for %.3f s, during which nothing else "
            "could run; await slow work, or run it with asyncio.to_thread()",
            callback,
            queue_name,
            took,
        )
