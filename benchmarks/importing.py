"""What ``import mooq`` costs over a bare interpreter start, and what it leaves unloaded.

``python benchmarks/importing.py``
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter

ROUNDS = 25
HEAVY = ("aio_pika", "testcontainers", "pytest")


def start(code: str) -> float:
    begin = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return perf_counter() - begin


def main() -> None:
    start("import mooq")  # compiles, once
    pairs = [(start("pass"), start("import mooq")) for _ in range(ROUNDS)]
    cost = median(loaded - bare for bare, loaded in pairs) * 1000
    print(f"import mooq: {cost:.0f} ms over a bare start (at most 60)")
    loaded = f"import sys, mooq; print([name for name in {HEAVY} if name in sys.modules])"
    print("  loaded with it, of those that should wait:", end=" ", flush=True)
    subprocess.run([sys.executable, "-c", loaded], check=True)


if __name__ == "__main__":
    main()
