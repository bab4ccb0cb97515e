"""Comparisons that alternate between two sides, so that noise affects both, and their ratios."""

from __future__ import annotations

import asyncio
import json
import os
import platform
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results.json"

Measure = Callable[[], Awaitable[float]]
"""Returns the seconds per unit of work."""


@dataclass(frozen=True)
class Ratio:
    """A line of the results; ``ratio`` is the time of ``base`` divided by that of ``ours``."""

    work: str
    against: str
    ours: float
    base: float
    ratio: float
    wanted: str

    def __str__(self) -> str:
        return (
            f"{self.work} | {self.against} | {self.ours * 1e6:.1f} µs | {self.base * 1e6:.1f} µs | "
            f"{self.ratio:.2f} | {self.wanted}"
        )


async def compare(
    work: str, ours: Measure, against: str, base: Measure, wanted: str, rounds: int = 7
) -> Ratio:
    """Measure both alternately; print and return the median of the ratios of all rounds."""
    await ours()
    await base()
    pairs = [(await ours(), await base()) for _ in range(rounds)]
    ratio = Ratio(
        work,
        against,
        median(mine for mine, _ in pairs),
        median(theirs for _, theirs in pairs),
        median(theirs / mine for mine, theirs in pairs),
        wanted,
    )
    print(ratio, flush=True)
    return ratio


def run(main: Callable[[], Awaitable[list[Ratio]]], section: str) -> None:
    """Run a section of the benchmarks, and save its results."""
    print("work | against | mooq | against | ratio | wanted")
    keep(section, [asdict(ratio) for ratio in asyncio.run(_as_coroutine(main))])


def keep(section: str, results: object) -> None:
    """Save a section's results with the date, version of Python and number of cores."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept[section] = {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "results": results,
    }
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


async def _as_coroutine(main: Callable[[], Awaitable[list[Ratio]]]) -> list[Ratio]:
    return await main()
