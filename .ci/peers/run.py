"""Runs the released test suites of other AMQP clients against `mooq serve`.

    python .ci/peers/run.py                  all suites in suites.toml
    python .ci/peers/run.py --quick          without slow tests, as in .ci/run
    python .ci/peers/run.py kombu            only the named suites
    python .ci/peers/run.py --version 3.10   with the rules of another version of RabbitMQ
    python .ci/peers/run.py --against URL    on RabbitMQ of that version
    python .ci/peers/run.py --record         record the numbers of passed tests, and update the docs

Each suite comes from its source distribution on PyPI. It passes if no test fails and as many tests
pass as on RabbitMQ of that version. Needs mooq[cli] in its environment.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

HERE = Path(__file__).parent
PASSED = HERE / "passed.json"
"""The numbers of passed tests of each suite, by version, then by broker."""
RABBITMQ, SERVE = "RabbitMQ", "mooq serve"
PAGE = HERE.parents[1] / "docs" / "any-client.md"
BEGIN, END = "<!-- suites -->", "<!-- /suites -->"
LONGEST_TEST = 60  # seconds
RERUNS = 2  # of a failed test, because some suites contain races


@dataclass(frozen=True)
class Suite:
    """A client's test suite; ``left_out`` has parts of test names, and reasons."""

    name: str
    package: str
    version: str
    tests: list[str]
    needs: list[str]
    options: list[str]
    slow: list[str]
    left_out: list[tuple[str, str]]


def suites() -> list[Suite]:
    """Return every suite."""
    listed = tomllib.loads((HERE / "suites.toml").read_text())
    return [Suite(name=name, **values) for name, values in listed.items()]


def table(listed: list[Suite], passed: dict[str, dict[str, dict[str, int]]]) -> str:
    """Return the numbers of passed tests as a table for the page."""
    columns = [(version, broker) for version in passed for broker in (RABBITMQ, SERVE)]
    titles = ["suite", *(f"{broker}, {version}" for version, broker in columns)]
    rows = [
        [
            f"{one.name} {one.version}",
            *(str(passed[of][on].get(one.name, "")) for of, on in columns),
        ]
        for one in listed
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in [titles, ["---"] * len(titles), *rows])


@contextmanager
def serving(version: str) -> Iterator[str]:
    """Run `mooq serve`; yield its URL."""
    command = [sys.executable, "-m", "mooq", "serve", "--port", "0", "--json"]
    with subprocess.Popen([*command, "--version", version], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()


def environment(work: Path, chosen: list[Suite]) -> Path:
    """Create a virtual environment with the clients and test dependencies; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
    python = work / "venv" / "bin" / "python"
    wanted = {"pytest", "pytest-timeout", "pytest-rerunfailures"}
    wanted |= {need for suite in chosen for need in suite.needs}
    wanted |= {f"{suite.package}=={suite.version}" for suite in chosen}
    subprocess.run([python, "-m", "pip", "install", "--quiet", *sorted(wanted)], check=True)
    return python


def sources(suite: Suite, work: Path) -> Path:
    """Unpack the source distribution of a suite."""
    folder = work / suite.name
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder),
            *("--no-binary", suite.package, f"{suite.package}=={suite.version}"),
        ],
        check=True,
    )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        if hasattr(tarfile, "data_filter"):  # not before Python 3.11.4
            packed.extraction_filter = tarfile.data_filter
        packed.extractall(folder)  # noqa: S202 - a released package, filtered where Python can
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    if (unpacked / "tests" / "docker_client.py").exists():
        shutil.copy(HERE / "docker_client.py", unpacked / "tests")
        shutil.copy(HERE / "conftest.py", unpacked)
    return unpacked


def counted(report: Path) -> tuple[int, list[str]]:
    """Return the number of passed tests, and the names of those that always failed."""
    last = {  # the last outcome of a test that was rerun
        f"{case.get('classname')}::{case.get('name')}": {child.tag for child in case}
        for case in ElementTree.parse(report).iter("testcase")
    }
    failed = [name for name, outcomes in last.items() if outcomes & {"failure", "error"}]
    passed = [name for name, outcomes in last.items() if not outcomes]
    return len(passed), failed


def run(suite: Suite, url: str, work: Path, python: Path, is_quick: bool) -> tuple[int, list[str]]:
    """Run a suite on the broker at ``url``."""
    folder = sources(suite, work)
    where = urlsplit(url)
    variables: Mapping[str, str] = os.environ | {
        "RABBITMQ_HOST": where.hostname or "127.0.0.1",
        "RABBITMQ_5672_TCP": str(where.port or 5672),
    }
    report = work / f"{suite.name}.xml"
    left_out = [part for part, _ in suite.left_out] + (suite.slow if is_quick else [])
    leave_out = " and ".join(f"not {part}" for part in left_out)
    subprocess.run(
        [
            *(python, "-m", "pytest", "--quiet", "--tb=short", "--disable-warnings"),
            *("-p", "no:cacheprovider", f"--timeout={LONGEST_TEST}", f"--junit-xml={report}"),
            f"--reruns={RERUNS}",
            *("-k", leave_out, *suite.options, *suite.tests),
        ],
        cwd=folder,
        env={name: value for name, value in variables.items() if not name.startswith("PYTEST")},
        check=False,
    )
    return counted(report)


def main() -> int:
    """Run the requested suites; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--against", metavar="URL")
    parser.add_argument("--version", default="4.0", choices=["3.10", "4.0", "4.3"])
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--reports", metavar="FOLDER", type=Path, help="keep the JUnit reports")
    asked = parser.parse_args()
    chosen = [suite for suite in suites() if not asked.names or suite.name in asked.names]
    broker = RABBITMQ if asked.against else SERVE
    counts: dict[str, int] = {}
    on_rabbitmq = json.loads(PASSED.read_text())[asked.version][RABBITMQ]
    lines, is_good = [], True
    with tempfile.TemporaryDirectory(prefix="mooq-peers.") as folder:
        python = environment(Path(folder), chosen)
        for suite in chosen:
            if asked.against:
                passed, failed = run(suite, asked.against, Path(folder), python, asked.quick)
            else:
                with serving(asked.version) as url:
                    passed, failed = run(suite, url, Path(folder), python, asked.quick)
            if asked.reports:
                asked.reports.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(folder) / f"{suite.name}.xml", asked.reports)
            counts[suite.name] = passed
            wanted = passed if asked.against else on_rabbitmq.get(suite.name)
            is_good &= not failed and (asked.quick or passed == wanted)
            lines += [
                f"{suite.name} {suite.version}: {passed} passed "
                f"({wanted} on RabbitMQ{', slow ones included' * asked.quick}), "
                f"{len(failed)} failed",
                *(f"  {name}" for name in failed),
            ]
    if asked.record:
        recorded = json.loads(PASSED.read_text())  # another run may have changed it
        recorded[asked.version][broker] |= counts
        PASSED.write_text(json.dumps(recorded, indent=1) + "\n")
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(
            f"{before}{BEGIN}\n{table(suites(), recorded)}{END}{rest.partition(END)[2]}"
        )
    print("\n".join(lines))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
