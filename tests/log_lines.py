"""A log handler whose lines tests can await."""

from __future__ import annotations

import asyncio
import logging


class LogLines(logging.Handler):
    """Put the warnings and errors of a logger into a queue."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.put_nowait(record.getMessage())
