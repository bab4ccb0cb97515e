"""Cost of a message in memory, counted instead of timed, so that noise cannot fail a build.

``python -m benchmarks.instructions`` counts the bytecode instructions and calls into C for one more
message from publish to acknowledgement. Counts over 3 % above those in instructions.json for this
version of Python are an error. ``--record`` writes new counts; ``--files`` prints the instructions
by file instead.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter as Counts
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.in_memory import LARGE, MESSAGE, through_mooq, topic_publish
from benchmarks.measuring import Measure
from benchmarks.server_work import through_server

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks/instructions.json"
TOLERANCE = 1.03
FEW, MANY = 64, 320  # messages; the difference excludes the fixed cost of a run
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

WORK: dict[str, Callable[[int], Measure]] = {
    "publish → callback": lambda messages: through_mooq(MESSAGE, messages),
    "publish → callback, 64 kB": lambda messages: through_mooq(LARGE, messages),
    "fanout to 10 queues": lambda messages: through_mooq(
        MESSAGE, messages, queues=10, kind="fanout"
    ),
    "topic publish, 10 bindings": lambda messages: topic_publish(10, messages),
    "topic publish, 1,000 bindings": lambda messages: topic_publish(1_000, messages),
    "over AMQP: publish, confirm, deliver, ack": through_server,
}


class Counter:
    """Counts the instructions that Python executes in this thread."""

    def __init__(self) -> None:
        self.by_file: Counts[str] = Counts()  # instructions by file
        self.c_calls = 0

    def trace(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        """Count an instruction, and enable counting in a new frame."""
        if event == "opcode":
            self.by_file[frame.f_code.co_filename] += 1
        else:
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        return self.trace

    def profile(self, _: FrameType, event: str, __: Any) -> None:
        """Count a call of a function written in C."""
        if event == "c_call":
            self.c_calls += 1

    def count(self, measure: Measure) -> tuple[Counts[str], int]:
        """Return the instructions by file, and the calls into C, of a piece of work."""
        self.by_file, self.c_calls = Counts(), 0
        loop = asyncio.new_event_loop()
        sys.settrace(self.trace)
        sys.setprofile(self.profile)
        try:
            loop.run_until_complete(measure())
        finally:
            sys.setprofile(None)
            sys.settrace(None)
            loop.close()
        return self.by_file, self.c_calls


def cost(work: Callable[[int], Measure]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the cost of one more message, and its instructions by file."""
    counter = Counter()
    counter.count(work(FEW))  # caches fill, modules load
    (few, few_calls), (many, many_calls) = counter.count(work(FEW)), counter.count(work(MANY))
    by_file = {file: (many[file] - few[file]) / (MANY - FEW) for file in many}
    return {
        "instructions": round(sum(by_file.values()), 1),
        "calls into C": round((many_calls - few_calls) / (MANY - FEW), 1),
    }, by_file


def show_files() -> None:
    """Print the instructions of a message by file."""
    _, by_file = cost(WORK["publish → callback"])
    print("| file | instructions |\n| --- | --- |")
    for file, figure in sorted(by_file.items(), key=lambda entry: -entry[1]):
        if figure >= 1:
            name = file.removeprefix(f"{ROOT}/").partition(f"python{PYTHON}/")
            print(f"| {name[2] or name[0]} | {figure:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--files", action="store_true")
    options = parser.parse_args()
    if options.files:
        show_files()
        return
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    counted = {name: cost(work)[0] for name, work in WORK.items()}
    before = recorded.get(PYTHON, {})
    losses = []
    print("one message | counted | instructions | recorded")
    for name, costs in counted.items():
        for what, figure in costs.items():
            limit = before.get(name, {}).get(what)
            print(f"{name} | {what} | {figure:g} | {limit if limit is not None else 'nothing yet'}")
            if limit is not None and figure > limit * TOLERANCE:
                losses.append(f"{name}: {figure:g} {what}, and {limit:g} are recorded")
    if options.record:
        recorded[PYTHON] = counted
        RECORD.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    elif losses:
        sys.exit(
            "a message costs more than is recorded; mend it, or --record it and say why:\n"
            + "\n".join(losses)
        )


if __name__ == "__main__":
    main()
