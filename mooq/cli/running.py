"""From a command to asyncio and back: signals, errors and exit statuses."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click

from mooq.errors import MooqError

T = TypeVar("T")

ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Failed(click.ClickException):
    """What was asked could not be done: a message on stderr and exit status 1."""

    exit_code = 1


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``work``; end the command when it fails or a signal comes.

    :class:`~mooq.MooqError` becomes :class:`Failed`. A signal cancels ``work`` once, so that it
    undoes what it began; then the process ends with 128 + the signal's number. A signal that the
    command was started to ignore, as by nohup, stays ignored.
    """
    try:
        with _warnings_shown():
            return asyncio.run(_until_signalled(work))
    except MooqError as error:
        raise Failed("\n".join([str(error), *getattr(error, "__notes__", ())])) from error


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """Show what mooq warns of, and nothing of its libraries: mooq says the same in its words."""
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

    if sys.platform != "win32":  # there asyncio.run() turns Ctrl-C into a cancellation
        for number in (signal.Signals[name] for name in ENDING_SIGNALS):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError as error:
        if not received:
            raise
        _leave(received[0], getattr(error, "__notes__", ()))


def _leave(number: signal.Signals, notes: list[str] | tuple[str, ...]) -> NoReturn:
    """End the process now: Python would first wait for a thread that downloads an image."""
    click.echo("\n".join([f"Ended by {number.name}.", *notes]), err=True)
    sys.stdout.flush()
    os._exit(128 + number)
