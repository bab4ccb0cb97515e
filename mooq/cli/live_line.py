"""A progress line: what the command is waiting for and for how long; on a terminal only."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

log: logging.Logger = logging.getLogger("mooq")


@contextmanager
def live_line(awaited: str) -> Iterator[None]:
    """Show ``awaited`` during the block, then mooq's log lines about waiting."""
    if not sys.stderr.isatty():
        yield
        return
    # Imported here because scripts do not need it.
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.text import Text

    class Elapsed(ProgressColumn):
        """The seconds since the line last changed."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.elapsed or 0:.1f} s", style="progress.elapsed")

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), Elapsed())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        line = progress.add_task(awaited, total=None)

        class Following(logging.Handler):
            """Shows the latest message."""

            def emit(self, record: logging.LogRecord) -> None:
                progress.reset(line, description=record.getMessage())

        following, level = Following(logging.INFO), log.level
        log.addHandler(following)
        log.setLevel(logging.INFO)
        try:
            yield
        finally:
            log.setLevel(level)
            log.removeHandler(following)
