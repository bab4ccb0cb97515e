"""Running a command in asyncio: signals, errors and exit statuses."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click

from mooq.errors import MooqError

T = TypeVar("T")

ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Failed(click.ClickException):
    """The command failed: a message on stderr and exit status 1."""

    exit_code = 1


def run(
    work: Coroutine[Any, Any, T],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Return the result of ``work``; exit if it fails or a signal arrives.

    :class:`~mooq.MooqError` becomes :class:`Failed`. A signal cancels ``work`` once, so that it can
    clean up. Then the process exits with 128 + the signal's number. A signal that was ignored when
    the command started, as with nohup, stays ignored.
    """
    try:
        with _warnings_shown(), asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(_until_signalled(work))
    except MooqError as error:
        raise Failed("\n".join([str(error), *getattr(error, "__notes__", ())])) from error


def heeded_signals() -> list[signal.Signals]:
    """Return the signals that end a command: those not ignored when it started."""
    if sys.platform == "win32":  # there asyncio.run() turns Ctrl-C into a cancellation
        return []
    numbers = (signal.Signals[name] for name in ENDING_SIGNALS)
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """Show mooq's warnings, and none of its libraries': mooq reports the same in its own texts."""
    shown, nothing = logging.StreamHandler(), logging.NullHandler()
    shown.setLevel(logging.WARNING)
    logging.getLogger("mooq").addHandler(shown)
    logging.getLogger().addHandler(nothing)
    try:
        yield
    finally:
        logging.getLogger("mooq").removeHandler(shown)
        logging.getLogger().removeHandler(nothing)


async def _until_signalled(work: Coroutine[Any, Any, T]) -> T:
    received: list[signal.Signals] = []
    task = asyncio.ensure_future(work)

    def end(number: signal.Signals) -> None:
        if not received:
            task.cancel()
        received.append(number)

    for number in heeded_signals():
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError as error:
        if not received:
            raise
        _leave(received[0], getattr(error, "__notes__", ()))


def _leave(number: signal.Signals, notes: list[str] | tuple[str, ...]) -> NoReturn:
    """Exit now: Python would first wait for a thread that downloads an image."""
    click.echo("\n".join([f"Stopped by {number.name}.", *notes]), err=True)
    sys.stdout.flush()
    os._exit(128 + number)
