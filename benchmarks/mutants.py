"""Mutation testing of the in-memory broker and its AMQP.

``python -m benchmarks.mutants`` applies small changes to ``mooq/broker`` and ``mooq/amqp``, one at
a time. Each mutant is first compared with RabbitMQ's recordings, the fastest first: AMQP
conversations, then parity programs. If it behaves as RabbitMQ in all of them, the unit tests run. A
mutant that passes them too survives, and is listed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.abc
import importlib.util
import os
import random
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import aio_pika  # noqa: F401 - imported before the mutants' processes are forked
import hypothesis  # noqa: F401
import pytest
import pytest_asyncio  # noqa: F401
import tenacity  # noqa: F401

from benchmarks.mutations import Mutant, modules, mutant, numbered, original
from tests.conversations import CONVERSATIONS, DIFFERENT, recorded, rules

TESTS = Path(__file__).parent.parent / "tests" / "unit"
UNIT_TESTS = {
    "broker": (
        *sorted(test.name for test in TESTS.glob("test_broker_*.py")),
        "test_queue_arguments.py",
        "test_queue_types.py",
        "test_direct_replies.py",
        "test_memory_broker.py",
        "test_memory_broker_lifetimes.py",
        "test_management.py",
        "amqp/test_connection.py",
    ),
    "amqp": ("amqp",),
}
"""By the package of the mutant."""
VERSIONS = ("4.0", "3.10", "4.3")
LONGEST = 20  # seconds for the recordings; an endless loop counts as noticed
LONGEST_TESTS = 120
MOST_MEMORY = 4 << 30  # bytes, in case a mutant collects data endlessly


def differs_in_conversations() -> bool:
    """Return whether the broker differs from the recorded conversations."""
    return any(_differs(version) for version in VERSIONS) or _differs(VERSIONS[0], piece=1)


def _differs(version: str, piece: int = 0) -> bool:
    from tests.conversations.direct import TOGETHER, converse, converse_by_rules

    answers = recorded(version)
    for name, steps in CONVERSATIONS.items():
        if (version, name) in DIFFERENT or (piece and name in TOGETHER):
            continue
        if converse(version, steps, piece) != answers[name]:
            return True
    answers = rules.recorded(version)
    for name in rules.CONVERSATIONS.keys() - rules.REFUSED:
        said = converse_by_rules(version, name, piece)
        if rules.without_times(said) != rules.without_times(answers[name]):
            return True
    return False


def differs_in_programs() -> bool:
    """Return whether the broker differs from the recorded programs."""
    from mooq.parity.recording import compare, load
    from mooq.parity.reference import REFERENCE_PROGRAMS
    from mooq.parity.targets import InMemory

    async def differs() -> bool:
        records = [load(reference) for reference in REFERENCE_PROGRAMS]
        for version in VERSIONS:
            for record in records:
                answer = record.as_of(version)
                assert answer is not None
                if await compare(record.reference, answer.trace, InMemory(version)):
                    return True
        return False

    return asyncio.run(differs())


def fails_a_test(package: str) -> bool:
    """Return whether a unit test of the package fails."""
    options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return pytest.main([*options, *(str(TESTS / name) for name in UNIT_TESTS[package])]) != 0


Check = tuple[str, Callable[[], bool], int]
"""A name, a function that returns whether a mutant is noticed, and its timeout in seconds."""


def checks(package: str) -> tuple[Check, ...]:
    """Return the checks for a mutant of a package, the fastest first."""
    return (
        ("conversations", differs_in_conversations, LONGEST),
        ("programs", differs_in_programs, LONGEST),
        ("unit tests", partial(fails_a_test, package), LONGEST_TESTS),
    )


class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = f"mooq.{mutant.module}"
        self._tree = mutant.tree

    def find_spec(self, name: str, path: object, target: object = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, self._name, "exec"), module.__dict__)


def face(mutant: Mutant) -> str | None:
    """Run a mutant in a separate process; return the check that noticed it, None if none did."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _live(mutant, writing)
    os.close(writing)
    with os.fdopen(reading) as said:
        words = said.read().split("\n")
    os.waitpid(child, 0)
    return None if words[-1] == "survives" else words[-1]


def _live(mutant: Mutant, writing: int) -> None:
    """Run every check, and report which one starts; the process ends when one notices."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    sys.meta_path.insert(0, Loader(mutant))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        for name, notices, longest in checks(mutant.module.partition(".")[0]):
            os.write(writing, f"\n{name}".encode())
            signal.alarm(longest)  # ends the process
            if notices():
                return
        os.write(writing, b"\nsurvives")
    finally:
        os._exit(0)


def chosen(options: argparse.Namespace) -> list[tuple[str, int]]:
    """Return the requested mutants, in the order of their modules."""
    every = [one for module in options.modules or modules() for one in numbered(module)]
    if options.sample is None:
        return every
    return sorted(random.Random(options.seed).sample(every, min(options.sample, len(every))))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--modules", nargs="+", choices=modules(), metavar="broker.queue")
    parser.add_argument("--line", type=int, help="only the mutants of this line")
    parser.add_argument("--sample", type=int, help="only so many, chosen at random")
    parser.add_argument("--seed", type=int, default=1, help="of that choice")
    options = parser.parse_args(arguments)
    for module in ("broker.queue", "amqp.tables"):
        if (by := face(original(module))) is not None:
            sys.exit(f"the broker as it is fails ({by}): every mutant would, too")
    total: Counter[str] = Counter()
    noticed: Counter[str] = Counter()
    noticed_by: Counter[str] = Counter()
    survivors = []
    for module, number in chosen(options):
        one = mutant(module, number)
        if options.line not in (None, one.line):
            continue
        total[module] += 1
        noticing = face(one)
        if noticing is None:
            survivors.append(one)
            print(f"survives: {one}", flush=True)
        else:
            noticed[module] += 1
            noticed_by[noticing] += 1
    for module, count in total.items():
        print(f"{module:20} {noticed[module]:5} of {count}")
    print(f"{noticed.total()} of {total.total()} noticed: {noticed.total() / total.total():.1%}")
    print(", ".join(f"{count} by {name}" for name, count in noticed_by.items()))
    print("\n".join(map(str, survivors)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
