"""Reports of the parity checker: programs, differences, generated tests and the ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mooq.parity.comparison import differences
from mooq.parity.divergence import Divergence
from mooq.parity.ledger import Entry, by_version, line, read, table, write
from mooq.parity.programs import KINDS, CloseChannel, Consume, Get, Process, Publish, Together, size
from mooq.parity.reference import REFERENCE_PROGRAMS, ReferenceProgram
from mooq.parity.report import as_test, explained, side_by_side
from mooq.parity.run import run
from mooq.parity.targets import InMemory
from tests.parity_faults import never_redelivered


@pytest.mark.parametrize("reference", REFERENCE_PROGRAMS, ids=lambda reference: reference.name)
def test_program_repr_evaluates_to_the_program(reference: ReferenceProgram) -> None:
    assert eval(repr(reference.program), dict(KINDS)) == reference.program


def test_operation_repr_omits_defaults() -> None:
    assert repr(Publish("a1", "e", mandatory=True)) == (
        "Publish('a1', exchange='e', mandatory=True)"
    )


def test_concurrent_calls_count_as_operations() -> None:
    assert size((Together((Get("a1", "q"), Get("b1", "q"))), Process("a"))) == 3


def test_differing_lines_are_marked_side_by_side() -> None:
    assert side_by_side(["same", "one"], ["same", "two", "more"], width=23) == (
        "in memory    RabbitMQ\n"
        "----------   ----------\n"
        "same         same\n"
        "one        ≠ two\n"
        "           ≠ more"
    )


def test_long_lines_are_wrapped_in_their_column() -> None:
    shown = side_by_side(["word " * 9], ["other"], width=43)

    assert max(map(len, shown.splitlines())) <= 43
    assert shown.splitlines()[2].endswith("≠ other")


PROGRAM = (
    Consume("a1", "c1", "d", "direct", queue="q"),
    Publish("b1", "d"),
    CloseChannel("a1"),
    Get("b1", "q"),
)


async def divergence(monkeypatch: pytest.MonkeyPatch) -> Divergence:
    """Return the divergence of a broker that never sets the redelivered flag."""
    ours = await run(PROGRAM, InMemory())
    never_redelivered(monkeypatch)
    theirs = await run(PROGRAM, InMemory())
    found = await differences(PROGRAM, ours, theirs, lambda _: run(PROGRAM, InMemory()))
    return Divergence(PROGRAM, ours, theirs, found, "4.0.5")


async def test_divergence_names_step_and_both_outcomes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = explained(await divergence(monkeypatch))

    assert text.startswith("The in-memory broker differs from RabbitMQ 4.0.5:")
    assert "  2 Publish('b1', exchange='d')" in text
    assert "'m2' by '' of 'd', redelivered ≠ 'm2' by '' of 'd' at the end" in " ".join(text.split())


def test_program_printed_as_a_test_compiles() -> None:
    source = as_test(PROGRAM)

    namespace: dict[str, object] = {}
    exec(compile(source, "test_found.py", "exec"), namespace)
    assert namespace["PROGRAM"] == PROGRAM


def entry(version: str, divergences: int = 0, seed: int = 7) -> Entry:
    return Entry("2026-01-02", version, seed, 1234, 50, divergences, 1, 6.5, 2)


def test_ledger_keeps_every_run(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.json"
    write([entry("3.10.8"), entry("4.0.5")], ledger)

    assert read(ledger) == [entry("3.10.8"), entry("4.0.5")]


def test_ledger_table_has_a_row_per_day_and_version() -> None:
    runs = [
        entry("3.10.8"),
        *(entry("4.0.5", 2, seed) for seed in (9, 12, 8, 7, 1)),
        entry("3.10.8"),
    ]

    assert table(runs).splitlines()[2:] == [
        "| 2026-01-02 | API | 4.0.5 | 6,170 | 250 | 10 | 5 | 1, 7 to 9, 12 |",
        "| 2026-01-02 | API | 3.10.8 | 2,468 | 100 | 0 | 2 | 7, 7 |",
    ]


def test_ledger_line_sums_all_runs() -> None:
    runs = [entry("4.0.5"), entry("3.10.8"), replace(entry("4.0.5", divergences=1), level="AMQP")]

    assert line(runs) == (
        "1,234 AMQP methods and 2,468 API calls compared with RabbitMQ 3.10.8, 4.0.5: 1 divergence"
    )


def test_documentation_shows_the_ledger() -> None:
    root = Path(__file__).parents[2]

    runs = read(root / "docs" / "parity-ledger.json")

    assert table(runs) in (root / "docs" / "parity.md").read_text(encoding="utf-8")
    assert line(runs) in (root / "README.md").read_text(encoding="utf-8")
    picture = (root / "docs" / "_static" / "parity-ledger.svg").read_text(encoding="utf-8")
    for its_runs in by_version(runs).values():
        done = sum(run.operations for run in its_runs)
        found = sum(run.divergences for run in its_runs)
        assert f": {done:,} operations, {found} divergences<" in picture
        for level in ("AMQP", "API"):
            count = sum(run.operations for run in its_runs if run.level == level)
            assert f">{level}: {count:,}<" in picture
    assert sum(run.divergences for run in runs) == 0
