"""Cost of ``import mooq`` compared with a bare interpreter, and the modules that stay unloaded.

``python -m benchmarks.importing``
"""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

from benchmarks.measuring import Ratio, compare, run

HEAVY = ("aio_pika", "testcontainers", "pytest")


def starting(code: str) -> float:
    """Return the seconds in which an interpreter starts, runs the code and exits."""
    begin = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return perf_counter() - begin


async def main() -> list[Ratio]:
    async def with_mooq() -> float:
        return starting("import mooq")

    async def bare() -> float:
        return starting("pass")

    ratio = await compare("import mooq", with_mooq, "a bare start", bare, "+ ≤ 40 ms", rounds=25)
    print(f"import mooq: {(ratio.ours - ratio.base) * 1000:.0f} ms over a bare start (at most 40)")
    loaded = f"import sys, mooq; print([name for name in {HEAVY} if name in sys.modules])"
    print("  loaded with it, of those that should wait:", end=" ", flush=True)
    subprocess.run([sys.executable, "-c", loaded], check=True)
    return [ratio]


if __name__ == "__main__":
    run(main, "importing")
