"""Code of the README, docs/ and examples/, each run unchanged in its own process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from mooq.testing.lease import RunningRabbitMQ
from tests.documentation import BLOCKS, DIRECTIVE, ROOT, blocks_in, settings_for
from tests.managed_docker import image_at_hand

WORKER = re.compile(r"^(first|second) worker: ")
LONGEST_PROGRAM = 200.0  # seconds
IS_TEST = re.compile(r"^ *(async )?def test_", re.MULTILINE)
TESTS = [
    pytest.param(block.code, id=block.name)
    for block in blocks_in("python")
    if IS_TEST.search(block.code)
]
PROGRAMS = [
    pytest.param(
        block.code,
        id=block.name,
        marks=pytest.mark.rabbit if re.search("RabbitMQBroker|RABBITMQ_URL", block.code) else [],
    )
    for block in blocks_in("python")
    if not IS_TEST.search(block.code)
]
EXAMPLES = [
    program
    for program in sorted((ROOT / "examples").glob("*.py"))
    if "__main__" in program.read_text()
]
AS_ON_WINDOWS = """
import asyncio, os, runpy, sys
del asyncio.SelectorEventLoop.add_signal_handler  # now it raises NotImplementedError, as there
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*arguments: str) -> list[str]:
    """Return the sorted lines that a program printed; its stderr is shown."""
    command = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, timeout=LONGEST_PROGRAM, check=True
    )
    return sorted(done.stdout.splitlines())


def nameless(lines: list[str]) -> list[str]:
    """Omit the names of competing workers: either may get the next job."""
    return sorted(WORKER.sub("a worker: ", line) for line in lines)


def test_every_language_of_code_blocks_is_tested() -> None:
    here, in_the_files_beside = {"python"}, {"sh", "yaml", "ini", "json", "text"}

    languages = {one.language for one in BLOCKS if not one.language.startswith(DIRECTIVE)}

    assert languages == here | in_the_files_beside


@pytest.mark.parametrize("program", PROGRAMS)
def test_documented_program_runs(
    program: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "RABBITMQ_URL" in program:
        answer: RunningRabbitMQ = request.getfixturevalue("mooq_rabbitmq")
        virtual_host = request.getfixturevalue("mooq_virtual_host")
        monkeypatch.setenv(
            "RABBITMQ_URL",
            f"amqp://{answer['username']}:{answer['password']}@{answer['host']}:{answer['port']}"
            f"/{quote(virtual_host, safe='')}",
        )
    elif "RabbitMQBroker" in program:
        request.getfixturevalue("mooq_rabbitmq")  # skips the test where RabbitMQ cannot be started
        monkeypatch.setenv("MOOQ_RABBITMQ_IMAGE", image_at_hand())
    assert run("-c", program)


@pytest.fixture(params=TESTS)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project whose only test is a documented one."""
    (tmp_path / "test_documented.py").write_text(request.param)
    (tmp_path / "pytest.ini").write_text(settings_for(request.param))
    return tmp_path


def test_documented_test_passes_in_memory(project: Path) -> None:
    printed = run("-m", "pytest", "--mooq-backend=in_memory", str(project))

    assert any(" passed" in line for line in printed)


@pytest.mark.rabbit
def test_documented_test_passes_on_rabbitmq(
    project: Path, mooq_rabbitmq: RunningRabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = f"{mooq_rabbitmq['username']}:{mooq_rabbitmq['password']}"
    place = f"{mooq_rabbitmq['host']}:{mooq_rabbitmq['port']}"
    monkeypatch.setenv("MOOQ_RABBITMQ_URL", f"amqp://{login}@{place}")
    monkeypatch.setenv("MOOQ_RABBITMQ_MANAGEMENT", mooq_rabbitmq["management"])
    monkeypatch.delenv("TEST_DISTRIBUTION", raising=False)

    printed = run("-m", "pytest", "--mooq-backend=rabbit", str(project))

    assert any(" passed" in line for line in printed)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_runs_without_extras(example: Path) -> None:
    assert run(str(example))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_runs_on_a_loop_like_windows(example: Path) -> None:
    as_on_windows = run("-c", AS_ON_WINDOWS, str(example))

    assert nameless(as_on_windows) == nameless(run(str(example)))


@pytest.mark.rabbit
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_prints_the_same_on_rabbitmq(
    example: Path, default_virtual_host: RunningRabbitMQ
) -> None:
    host, port = default_virtual_host["host"], default_virtual_host["port"]
    where = ["--host", host, "--port", str(port)]

    on_rabbitmq = run(str(example), "--broker", "rabbit", *where)

    assert nameless(on_rabbitmq) == nameless(run(str(example)))
