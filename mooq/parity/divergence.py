"""Runs of a program on both brokers, and their differences."""

from __future__ import annotations

from dataclasses import dataclass

from mooq.parity.comparison import Difference, differences
from mooq.parity.programs import Program
from mooq.parity.run import run
from mooq.parity.targets import InMemory, Target
from mooq.parity.trace import Trace


@dataclass(frozen=True)
class Divergence:
    """A program on which the brokers differ, with both traces and the differences."""

    program: Program
    ours: Trace
    theirs: Trace
    found: list[Difference]
    version: str

    def __str__(self) -> str:
        from mooq.parity.report import explained  # imports this module

        return explained(self)


async def compared(program: Program, theirs: Target) -> Divergence | None:
    """Run a program in memory and on another broker; return their differences, if any."""
    their_trace = await run(program, theirs)
    memory = InMemory(theirs.version)
    our_trace = await run(program, memory)
    found = await differences(
        program, our_trace, their_trace, lambda choices: run(program, memory, choices)
    )
    return Divergence(program, our_trace, their_trace, found, theirs.version) if found else None
