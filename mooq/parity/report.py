"""Reports for people: two traces side by side, and a program as the source of a test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from textwrap import indent, wrap

from mooq.parity.divergence import Divergence
from mooq.parity.programs import KINDS, Program, Readable
from mooq.parity.trace import Step, Trace

WIDTH = 100
MARK = "≠"


def side_by_side(
    ours: Sequence[str],
    theirs: Sequence[str],
    titles: tuple[str, str] = ("in memory", "RabbitMQ"),
    width: int = WIDTH,
) -> str:
    """Return two lists of lines in two columns, with a mark between those that differ.

    ``width`` is in characters.
    """
    column = (width - 3) // 2
    rows = [_row(titles[0], titles[1], " ", column), f"{'-' * column}   {'-' * column}"]
    for mine, other in zip_longest(ours, theirs, fillvalue=""):
        rows.append(_row(mine, other, " " if mine == other else MARK, column))
    return "\n".join(rows)


def _row(mine: str, other: str, mark: str, column: int) -> str:
    cells = [wrap(text, column, subsequent_indent="  ") or [""] for text in (mine, other)]
    lines = zip_longest(*cells, fillvalue="")
    return "\n".join(
        f"{left:{column}} {mark if number == 0 else ' '} {right}".rstrip()
        for number, (left, right) in enumerate(lines)
    )


def lines_of(trace: Trace, program: Program) -> list[list[str]]:
    """Return a trace as lines: a list for each step, and one for the end."""
    steps = [_lines_of_step(step) for step in trace.steps]
    left = [f"left in {queue}: {text}" for queue in trace.left for text in trace.left[queue]]
    return [*steps, left]


def _lines_of_step(step: Step) -> list[str]:
    lines = [answer for answer in step.answer if answer]
    lines += [f"{one.consumer} ← {one.text}" for one in step.deliveries]
    waiting = [f"{queue}: {'gone' if n is None else n}" for queue, n in step.ready.items()]
    if waiting:
        lines.append(f"ready in {', '.join(waiting)}")
    return lines


def explained(divergence: Divergence) -> str:
    """Return the differences between the brokers, step by step, and the program as a test."""
    ours = lines_of(divergence.ours, divergence.program)
    theirs = lines_of(divergence.theirs, divergence.program)
    wrong = {difference.step for difference in divergence.found}
    parts = [f"The in-memory broker differs from RabbitMQ {divergence.version}:"]
    for number, step in enumerate([*divergence.program, None], 1):
        mine, others = ours[number - 1], theirs[number - 1]
        heading = "  at the end" if step is None else f"{number:3} {step!r}"
        parts.append(heading)
        if number in wrong or (step is None and 0 in wrong):
            titles = ("in memory", f"RabbitMQ {divergence.version}")
            parts.append(indent(side_by_side(mine, others, titles, WIDTH - 6), " " * 6))
    parts += ["", "As a test:", "", as_test(divergence.program)]
    return "\n".join(parts)


def as_test(program: Program, name: str = "test_both_brokers_agree_on_this_program") -> str:
    """Return the source of a test that fails while the brokers differ on a program."""
    used = "".join(f"    {kind},\n" for kind in sorted(_kinds(program)))
    lines = ",\n".join(f"    {step!r}" for step in program)
    return (
        "from mooq.basics.address import Address\n"
        "from mooq.parity.divergence import compared\n"
        f"from mooq.parity.programs import (\n{used})\n"
        "from mooq.parity.report import explained\n"
        "from mooq.parity.targets import RabbitMQ\n\n"
        f"PROGRAM = (\n{lines},\n)\n\n\n"
        f"async def {name}() -> None:\n"
        '    rabbitmq = RabbitMQ(Address("127.0.0.1", 5672))\n'
        "    try:\n"
        "        divergence = await compared(PROGRAM, rabbitmq)\n"
        "    finally:\n"
        "        await rabbitmq.close()\n"
        "    assert divergence is None, explained(divergence)\n"
    )


def _kinds(parts: Iterable[object]) -> set[str]:
    """Return the names of the classes in a program."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part, Readable):
            found |= {name for name in KINDS if f"{name}(" in repr(part)}
    return found
