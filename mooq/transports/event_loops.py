"""The running event loop, and the error for an object that belongs to another loop."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Coroutine
from typing import Any, TypeVar

from mooq.errors import Lost

T = TypeVar("T")

FUNCTION_LOOPS = "set asyncio_default_fixture_loop_scope = function in the ini file"
"""Advice for an object that one test uses."""

SESSION_LOOP = (
    "set both asyncio_default_fixture_loop_scope = session and asyncio_default_test_loop_scope = "
    "session in the ini file"
)
"""Advice for an object that several tests share."""


def running_loop() -> AbstractEventLoop | None:
    """Return the event loop that runs in this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def in_another_loop(
    what: str,
    loop: AbstractEventLoop,
    advice: str = f"{FUNCTION_LOOPS}; or, if tests share it, {SESSION_LOOP}",
) -> RuntimeError:
    """Return the error for a call from the running loop to an object that belongs to ``loop``.

    ``advice`` tells which settings give pytest's fixtures and tests the same loop.
    """
    return RuntimeError(
        f"{what} belongs to event loop {_name(loop)}, but was called from event loop "
        f"{_name(asyncio.get_running_loop())}. Call it from the loop that opened it; from another "
        "thread, use asyncio.run_coroutine_threadsafe(). In pytest, run fixtures and tests in one "
        f"loop: {advice}"
    )


async def in_loop(loop: AbstractEventLoop, work: Coroutine[Any, Any, T], what: str) -> T:
    """Return the result of a coroutine run in an event loop: this one, or another thread's.

    Raises ``RuntimeError`` for a loop that is not running; ``what`` is the object that belongs to
    it. Raises :class:`~mooq.errors.Lost` if that loop ends before the coroutine.
    """
    if loop is asyncio.get_running_loop():
        return await work
    if not loop.is_running():
        work.close()
        raise in_another_loop(what, loop)
    try:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise Lost("its event loop has ended") from error


def _name(loop: AbstractEventLoop) -> str:
    state = "running" if loop.is_running() else "not running"
    return f"{type(loop).__name__} at {id(loop):#x} ({state})"
