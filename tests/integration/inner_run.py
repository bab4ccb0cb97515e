"""Runs of pytest in a separate process, in a project that uses mooq's plugin."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from mooq.launchers.owner import LABEL, Owner, beginning_of
from mooq.testing.lease import RunningRabbitMQ
from mooq.testing.run_owner import MODULE
from tests.managed_docker import IMAGES
from tests.shared_broker import leave_out
from tests.waiting import until

if TYPE_CHECKING:
    from docker import DockerClient

PYTEST = (sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider")
NOWHERE = "tcp://127.0.0.1:1"
LONGEST = 200.0  # seconds for an inner run

AUTO = ("asyncio_mode = auto", "asyncio_default_fixture_loop_scope = function")
ONE_TEST = """
    async def test_it(mooq_channel):
        await mooq_channel.register_producer(exchange_name="log", exchange_type="fanout")
        await mooq_channel.publish(exchange_name="log", msg="hello")
"""

SUMMARY = re.compile(
    r"mooq: RabbitMQ \d+\.\d+\.\d+ by docker of \S+ at 127\.0\.0\.1:\d+, ready in \d+\.\d s, "
    r"for 1 test\b"
)
"""The last line of a run that started RabbitMQ for one test."""


class Run:
    """A project folder in which pytest runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before: tuple[str, ...] = ()
        """A command prefix, such as ``ip netns exec``."""
        self.ini(*AUTO)

    def ini(self, *lines: str) -> None:
        """Write the project's settings."""
        image = f"mooq_image = {' '.join(IMAGES)}"
        text = "\n".join(["[pytest]", "filterwarnings = error", image, *lines])
        (self.folder / "pytest.ini").write_text(text)

    @staticmethod
    def dedented(tests: str) -> str:
        """Return tests without their indentation."""
        return textwrap.dedent(tests)

    def start(
        self,
        tests: str,
        *options: str,
        output: int = subprocess.PIPE,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Start pytest with these tests in a new process session."""
        (self.folder / "test_inner.py").write_text(self.dedented(tests))
        mine = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(
                ("PYTEST_", "MOOQ_REQUIRE", "MOOQ_RABBITMQ_URL", "MOOQ_RABBITMQ_M", "TEST_DIST")
            )
        }
        return subprocess.Popen(
            [
                *self.before,
                sys.executable,
                "-m",
                "pytest",
                "-v",
                "-p",
                "no:cacheprovider",
                *options,
            ],
            cwd=self.folder,
            env={**mine, "COLUMNS": "400", **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __call__(self, tests: str, *options: str, **environment: str) -> tuple[int, str]:
        """Run pytest; return its exit status and output."""
        with self.start(tests, *options, output=subprocess.PIPE, **environment) as process:
            try:
                printed, _ = process.communicate(timeout=LONGEST)
            finally:
                process.kill()
        return process.returncode, printed

    def on_terminal(self, tests: str, *options: str, **environment: str) -> tuple[int, str]:
        """Run pytest on a pseudo-terminal; return its exit status and output."""
        terminal, output = os.openpty()
        with self.start(tests, *options, output=output, TERM="xterm", **environment) as process:
            os.close(output)
            printed = b""
            with suppress(OSError):  # EIO at the end
                while some := os.read(terminal, 2**16):
                    printed += some
            os.close(terminal)
        return process.returncode, printed.decode()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A project in the test's temporary folder."""
    return Run(tmp_path)


@pytest.fixture
def engine() -> Iterator[DockerClient]:
    """Docker's engine."""
    from docker import from_env
    from docker.errors import DockerException

    try:
        client = from_env()
    except DockerException as error:
        leave_out(f"Docker's engine does not answer: {error}")
    with closing(client):
        yield client


def owner_of(process: subprocess.Popen[str]) -> Owner:
    """Return the owner label of a run's RabbitMQ once its owner process has started."""
    pid = owner_process_of(process).pid
    return Owner.this_process()._replace(pid=pid, began=beginning_of(pid) or "unknown")


def owner_process_of(process: subprocess.Popen[str]) -> psutil.Process:
    """Return the process that owns a run's RabbitMQ once it has started."""

    def look() -> psutil.Process | None:
        children = psutil.Process(process.pid).children(recursive=True)
        return next((one for one in children if MODULE in one.cmdline()), None)

    found = until(look, "the owner of the run's RabbitMQ")
    assert found is not None
    return found


def containers_of(engine: DockerClient, owner: Owner) -> list[Any]:
    """Return the containers of an owner, running or not."""
    label = f"{LABEL}={owner}"
    return list(engine.containers.list(all=True, ignore_removed=True, filters={"label": label}))


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill a run with all its workers, as the kernel does when memory runs out."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LONGEST)


def named(rabbitmq: RunningRabbitMQ) -> list[str]:
    """Return the options that name a running RabbitMQ."""
    login = f"{rabbitmq['username']}:{rabbitmq['password']}"
    return [
        f"--mooq-address=amqp://{login}@{rabbitmq['host']}:{rabbitmq['port']}",
        f"--mooq-management={rabbitmq['management']}",
    ]
