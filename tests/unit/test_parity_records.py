"""Replay of recorded RabbitMQ answers against the in-memory broker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mooq.parity.recording import (
    RECORDED,
    Answer,
    ProgramRecord,
    compare,
    load,
    merged,
    replay,
    save,
)
from mooq.parity.reference import REFERENCE_PROGRAMS, ReferenceProgram
from mooq.parity.targets import InMemory
from mooq.parity.trace import Step, Trace
from mooq.parity.versions import numbers_of
from tests.parity_faults import FAULTS, Fault

SERIES = {(3, 10), (4, 0), (4, 3)}

references = pytest.mark.parametrize(
    "reference", REFERENCE_PROGRAMS, ids=lambda reference: reference.name
)


@references
async def test_in_memory_broker_matches_the_records(
    reference: ReferenceProgram,
) -> None:
    found = await replay(load(reference))

    assert {version: wrong for version, wrong in found.items() if wrong} == {}


@references
def test_record_names_versions_and_dates(reference: ReferenceProgram) -> None:
    seen = {
        version: date for answer in load(reference).answers for version, date in answer.seen.items()
    }

    assert {numbers_of(version) for version in seen} == SERIES
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in seen)
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\d", date) for date in seen.values())


def test_each_reference_program_has_a_record() -> None:
    assert {path.stem for path in RECORDED.iterdir()} == {
        reference.name for reference in REFERENCE_PROGRAMS
    }


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_records_detect_a_faulty_broker(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)

    for reference in REFERENCE_PROGRAMS:
        answer = load(reference).as_of("4.0")
        assert answer is not None
        try:
            if await compare(reference, answer.trace, InMemory()):
                return
        except Exception:  # noqa: BLE001 - a broker that breaks down is noticed too
            return
    pytest.fail("no record noticed")


def trace(answer: str) -> Trace:
    return Trace((Step((answer,)),), {})


FACT = ReferenceProgram("a_fact", "Something is so.", REFERENCE_PROGRAMS[0].program[:1])


def test_identical_answers_are_stored_once(tmp_path: Path) -> None:
    record = ProgramRecord(FACT, ())
    for version, answer in (("4.0.5", "yes"), ("3.10.8", "yes"), ("4.3.6", "no")):
        record = merged(record, version, "2026-01-01", trace(answer))
    save(record, tmp_path)

    assert load(FACT, tmp_path).answers == (
        Answer({"3.10.8": "2026-01-01", "4.0.5": "2026-01-01"}, trace("yes")),
        Answer({"4.3.6": "2026-01-01"}, trace("no")),
    )


def test_new_answer_replaces_an_earlier_release() -> None:
    record = merged(ProgramRecord(FACT, ()), "4.0.5", "2026-01-01", trace("no"))

    record = merged(record, "4.0.6", "2026-02-02", trace("yes"))

    assert record.answers == (Answer({"4.0.6": "2026-02-02"}, trace("yes")),)


def test_record_of_another_program_is_refused(tmp_path: Path) -> None:
    save(merged(ProgramRecord(FACT, ()), "4.0.5", "2026-01-01", trace("yes")), tmp_path)

    with pytest.raises(ValueError, match=r"a_fact\.json records another program"):
        load(FACT._replace(program=REFERENCE_PROGRAMS[0].program[3:4]), tmp_path)
