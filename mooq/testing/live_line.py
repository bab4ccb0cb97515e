"""A progress line below the cursor: what the run is waiting for and for how long."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from mooq.testing.run_owner import RunOwner

INTERVAL = 0.1  # seconds between two updates
# Control functions of ECMA-48 and DEC: to the line below, made if need be, and back again.
BELOW = "\x1bD\x1b[A\x1b7\x1b[B\r\x1b[K"
BACK = "\x1b8"


class LiveLine:
    """A line about a run's RabbitMQ, from the request until it answers, or :meth:`end`."""

    def __init__(self, terminal: TextIO, awaited: str, owner: RunOwner) -> None:
        self._terminal = terminal
        self._awaited = awaited
        self._owner = owner
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live line", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Remove the line for good."""
        self._over.set()
        self._thread.join()

    def pytest_runtest_logreport(self) -> None:
        """Make room for test results (a pytest hook)."""
        self.end()

    def _run(self) -> None:
        is_shown = False
        while not self._over.wait(INTERVAL) and (summary := self._owner.summary).answer is None:
            if summary.seconds is not None:
                self._show(f"waiting for {self._awaited}: {summary.seconds:.1f} s")
                is_shown = True
        if is_shown:
            self._show("")

    def _show(self, text: str) -> None:
        self._terminal.write(f"{BELOW}{text[: _width() - 1]}{BACK}")
        self._terminal.flush()


def real_terminal() -> TextIO | None:
    """Return the terminal, even if output is captured later; None if there is none."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    return open(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace")  # noqa: PTH123


def _width() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
