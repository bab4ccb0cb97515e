"""Log lines that a test can wait for."""

from __future__ import annotations

import asyncio
import logging


class LogLines(logging.Handler):
    """Keeps the lines of one logger, from warnings on, in a queue to wait at."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.put_nowait(record.getMessage())
