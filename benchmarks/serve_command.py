"""The `mooq serve` command for benchmarks, and the memory of its process."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

SERVE = [sys.executable, "-m", "mooq", "serve", "--port", "0", "--json"]
"""The command. It prints its URL as JSON."""


def resident(pid: int) -> int:
    """Return the memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
