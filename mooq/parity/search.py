"""Searching for programs on which the brokers differ: hypothesis writes them and shrinks them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any, Protocol

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from mooq.parity.divergence import Divergence, compared
from mooq.parity.programs import Program, size
from mooq.parity.strategies import programs
from mooq.parity.targets import Target

LONGEST_SHRINKING = 20.0  # seconds for one program
ATTEMPTS = 3
"""How often a program is run again before a difference counts as one that does not repeat."""


class Difference(Protocol):
    """A program on which the brokers differ; as text it says how."""

    @property
    def program(self) -> tuple[Any, ...]:
        """The program."""


class Comparison(Protocol):
    """A kind of programs, and the brokers that they are compared on."""

    def programs(self) -> SearchStrategy[Any]:
        """Return a choice of programs."""

    def size(self, program: Any) -> int:
        """Return how many operations a program has."""

    def compare(self, program: Any) -> Difference | None:
        """Return how the brokers differ on a program. Raises :class:`~mooq.MooqError`."""


class ApiComparison:
    """Programs of mooq's API, in memory and on another broker, in the loop of a runner."""

    def __init__(self, runner: asyncio.Runner, theirs: Target) -> None:
        self._runner = runner
        self._theirs = theirs

    def programs(self) -> SearchStrategy[Program]:
        """Return a choice of programs."""
        return programs()

    def size(self, program: Program) -> int:
        """Return how many operations a program has."""
        return size(program)

    def compare(self, program: Program) -> Divergence | None:
        """Return how the brokers differ on a program, if they do."""
        return self._runner.run(compared(program, self._theirs))


@dataclass
class Findings:
    """Result of a search: how much was compared, and the differences."""

    operations: int = 0
    programs: int = 0
    divergences: list[Difference] = field(default_factory=list)
    unrepeated: list[Difference] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Add what another search came to."""
        self.operations += other.operations
        self.programs += other.programs
        self.divergences += other.divergences
        self.unrepeated += other.unrepeated


class _DifferenceFound(Exception):
    """Tells hypothesis that a program is what it looks for."""


class _StopSearch(BaseException):
    """Has hypothesis write no more; it takes every ``Exception`` for a failure to be shrunk.

    Its ``__cause__`` is what makes it impossible to go on, if anything does.
    """


class Search:
    """Compares programs; ``is_ending`` tells whether to begin no more."""

    def __init__(
        self, comparison: Comparison, is_ending: Callable[[], bool] = lambda: False
    ) -> None:
        self._comparison = comparison
        self._is_ending = is_ending
        self._once: list[Difference] = []
        self._last: Difference | None = None
        self._found = 0.0  # when it was, before it was shrunk

    def search(self, seed: int, operations: int) -> Findings:
        """Return what so many operations, or a few more, come to; the same seed writes the same.

        It ends early with a program on which the brokers differ: many more might differ alike.
        Raises :class:`~mooq.MooqError` when a broker is lost for good, or a program gets stuck.
        """
        findings = Findings()
        seeds = Random(seed)  # noqa: S311 - nothing secret
        while findings.operations < operations and not (findings.divergences or self._is_ending()):
            self._batch(seeds.getrandbits(64), findings, operations)
        findings.unrepeated += self._once
        return findings

    def _batch(self, seed: int, findings: Findings, operations: int) -> None:
        @hypothesis.seed(seed)
        @settings(
            max_examples=100,
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            report_multiple_bugs=False,
        )
        @hypothesis.given(self._comparison.programs())
        def check(program: Any) -> None:
            if self._last is not None:
                if monotonic() - self._found > LONGEST_SHRINKING:
                    raise _StopSearch
            else:  # what is made of a program to shrink it does not count
                if findings.operations >= operations or self._is_ending():
                    raise _StopSearch
                findings.programs += 1
                findings.operations += self._comparison.size(program)
            if self._differs(program):
                raise _DifferenceFound

        self._last = None
        try:
            check()
        except _StopSearch as enough:
            if enough.__cause__ is not None:
                raise enough.__cause__ from None
        except (_DifferenceFound, Flaky):
            assert self._last is not None
        if self._last is not None:
            findings.divergences.append(self._last)

    def _differs(self, program: Any) -> bool:
        """Whether the brokers differ on a program; the shortest is kept."""
        try:
            difference = self._repeatedly(program)
        except Exception as error:  # which hypothesis would shrink, and might lose
            raise _StopSearch from error
        if difference is None:
            return False
        if self._last is None:
            self._found = monotonic()
        size = self._comparison.size
        if self._last is None or size(program) <= size(self._last.program):
            self._last = difference
        return True

    def _repeatedly(self, program: Any) -> Difference | None:
        """Return a difference only if it is there each time; note one that is not.

        Once one is known, what hypothesis makes of it to shrink it need differ but once.
        """
        difference = self._comparison.compare(program)
        if self._last is not None:
            return difference
        first = difference
        for _ in range(ATTEMPTS - 1):
            if difference is None:
                break
            difference = self._comparison.compare(program)
        if first is not None and difference is None:
            self._once.append(first)
        return difference
