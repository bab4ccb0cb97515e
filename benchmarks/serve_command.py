"""The `mooq serve` command for benchmarks, its process, and its memory."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

OPTIONS = ["serve", "--port", "0", "--json"]
SERVE = [sys.executable, "-m", "mooq", *OPTIONS]
"""The command. It prints its URL as JSON."""


@asynccontextmanager
async def own_process(command: list[str] = SERVE) -> AsyncIterator[str]:
    """Run `mooq serve`, by this command; yield its URL."""
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    try:
        yield json.loads(await server.stdout.readline())["url"]
    finally:
        server.terminate()
        await server.wait()


def resident(pid: int) -> int:
    """Return the memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
