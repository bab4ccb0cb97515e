"""What the README, docs/ and examples/ show is run as it stands, a process for each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mooq.testing.asking import Answer

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = [
    pytest.param(
        program[1],
        id=f"{page.relative_to(ROOT)}-{number}",
        marks=[pytest.mark.rabbit] if "RabbitMQBroker" in program[1] else [],
    )
    for page in PAGES
    for number, program in enumerate(PROGRAM.finditer(page.read_text()), 1)
]
EXAMPLES = [
    program
    for program in sorted((ROOT / "examples").glob("*.py"))
    if "__main__" in program.read_text()
]


def run(*arguments: str) -> list[str]:
    """Return the lines that a program printed, sorted; its complaints are shown."""
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return sorted(done.stdout.splitlines())


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_the_documentation_runs(program: str, request: pytest.FixtureRequest) -> None:
    if "RabbitMQBroker" in program:
        request.getfixturevalue("mooq_rabbitmq")  # what starts this one can start another
    assert run("-c", program)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_runs_with_nothing_else_installed(example: Path) -> None:
    assert run(str(example))


@pytest.mark.rabbit
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_does_the_same_on_rabbitmq(example: Path, mooq_rabbitmq: Answer) -> None:
    where = ["--host", mooq_rabbitmq["host"], "--port", str(mooq_rabbitmq["port"])]

    assert run(str(example), "--broker", "rabbit", *where) == run(str(example))
