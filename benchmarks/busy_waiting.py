"""Gain of the busy wait of ``mooq serve`` for one client, and its cost on a busy machine.

``python -m benchmarks.busy_waiting``. The baseline is ``mooq serve`` without it. Each client is a
process of its own that runs whole tests.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from benchmarks.measuring import Measure, Ratio, compare, run
from benchmarks.serve_command import OPTIONS, own_process
from benchmarks.serving import whole_tests

WITHOUT = (
    "import asyncio; from mooq.server import busy_wait; from mooq.__main__ import main; "
    "busy_wait.event_loop = asyncio.new_event_loop; main()"
)
CLIENTS_PER_CORE = 2
REPEATED = 10  # times; each client's start takes some milliseconds


def tests_of_one_client(url: str) -> float:
    """Run whole tests in this process; return the seconds per test."""

    async def repeat() -> float:
        return sum([await whole_tests(url) for _ in range(REPEATED)]) / REPEATED

    return asyncio.run(repeat())


def measuring(clients: ProcessPoolExecutor, count: int, url: str) -> Measure:
    """Return a function that measures this many clients at once."""

    async def measure() -> float:
        loop = asyncio.get_running_loop()
        works = [loop.run_in_executor(clients, tests_of_one_client, url) for _ in range(count)]
        return sum(await asyncio.gather(*works)) / count

    return measure


async def main() -> list[Ratio]:
    """Measure one client, and several for each core."""
    many = CLIENTS_PER_CORE * (os.cpu_count() or 1)
    async with (
        own_process() as with_it,
        own_process([sys.executable, "-c", WITHOUT, *OPTIONS]) as without_it,
    ):
        ratios = []
        for count, wanted in ((1, "≥ 1"), (many, "≥ 0.95")):
            with ProcessPoolExecutor(count) as clients:
                ratios.append(
                    await compare(
                        f"busy wait: {count} client{'s' * (count > 1)}, whole tests with aio-pika",
                        measuring(clients, count, with_it),
                        "mooq serve without it",
                        measuring(clients, count, without_it),
                        wanted,
                    )
                )
    return ratios


if __name__ == "__main__":
    run(main, "busy waiting")
