"""Search for programs on which the brokers differ, generated and shrunk by Hypothesis."""

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

LONGEST_SHRINKING = 20.0  # seconds per program
ATTEMPTS = 3
"""The number of runs in which a difference must appear to count as a divergence."""


class Difference(Protocol):
    """A program on which the brokers differ; ``str()`` explains how."""

    @property
    def program(self) -> tuple[Any, ...]:
        """The program."""


class Comparison(Protocol):
    """A type of programs, and the brokers to compare."""

    def programs(self) -> SearchStrategy[Any]:
        """Return a strategy for programs."""

    def size(self, program: Any) -> int:
        """Return the number of operations in a program."""

    def compare(self, program: Any) -> Difference | None:
        """Return the difference between the brokers, if any. Raises :class:`~mooq.MooqError`."""


class ApiComparison:
    """Programs of mooq's API, compared in memory and on another broker, in a runner's loop."""

    def __init__(self, runner: asyncio.Runner, theirs: Target) -> None:
        self._runner = runner
        self._theirs = theirs

    def programs(self) -> SearchStrategy[Program]:
        """Return a strategy for programs."""
        return programs()

    def size(self, program: Program) -> int:
        """Return the number of operations in a program."""
        return size(program)

    def compare(self, program: Program) -> Divergence | None:
        """Return the divergence of the brokers on a program, if any."""
        return self._runner.run(compared(program, self._theirs))


@dataclass
class Findings:
    """The result of a search: the numbers of operations and programs, and the differences."""

    operations: int = 0
    programs: int = 0
    divergences: list[Difference] = field(default_factory=list)
    unrepeated: list[Difference] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Add the findings of another search."""
        self.operations += other.operations
        self.programs += other.programs
        self.divergences += other.divergences
        self.unrepeated += other.unrepeated


class _DifferenceFound(Exception):
    """Tells Hypothesis that the brokers differ on a program."""


class _StopSearch(BaseException):
    """Stops Hypothesis, which would treat any ``Exception`` as a failure to shrink.

    Its ``__cause__`` is the error that ends the search, if any.
    """


class Search:
    """Compares programs until ``is_ending`` returns True."""

    def __init__(
        self, comparison: Comparison, is_ending: Callable[[], bool] = lambda: False
    ) -> None:
        self._comparison = comparison
        self._is_ending = is_ending
        self._once: list[Difference] = []
        self._last: Difference | None = None
        self._found = 0.0  # the time of the first difference, before shrinking

    def search(self, seed: int, operations: int) -> Findings:
        """Compare at least ``operations`` operations. The same seed generates the same programs.

        Stops at the first program on which the brokers differ, because others may differ for the
        same reason. Raises :class:`~mooq.MooqError` if a broker is lost or a program gets stuck.
        """
        findings = Findings()
        seeds = Random(seed)  # noqa: S311 - not for security
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
            else:  # programs tried while shrinking do not count
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
        """Return whether the brokers differ on a program, and keep the shortest such program."""
        try:
            difference = self._repeatedly(program)
        except Exception as error:  # Hypothesis would shrink it, and might lose it
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
        """Return a difference only if it appears in every run; note one that does not.

        While shrinking, one run is enough.
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
