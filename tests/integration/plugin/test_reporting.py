"""The live line while RabbitMQ boots, the summary and the explanation of errors."""

from __future__ import annotations

import re
import sys

import pytest

from tests.integration.inner_run import NOWHERE, ONE_TEST, SUMMARY, Run, run

__all__ = ["run"]  # a fixture

WAITING = re.compile(r"waiting for (RabbitMQ [^\x1b]+): \d+\.\d s")
ERASED = "\x1b[B\r\x1b[K\x1b8"


@pytest.mark.rabbit
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_terminal_shows_a_live_line_and_a_summary(run: Run, workers: str) -> None:
    status, printed = run.on_terminal(ONE_TEST, "--mooq-backend=rabbit", workers)

    assert status == 0, printed
    seen = list(WAITING.finditer(printed))
    assert seen[0][1].startswith("RabbitMQ by docker, image ")
    assert len({one[0] for one in seen}) > 1  # the elapsed time advances
    assert ERASED in printed[seen[-1].end() :]
    assert SUMMARY.search(printed)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_terminal_shows_no_live_line_in_memory(run: Run) -> None:
    _, printed = run.on_terminal(ONE_TEST, "--mooq-backend=in_memory")

    assert "waiting for" not in printed


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_no_live_line_without_a_terminal(run: Run, workers: str, closed_port: int) -> None:
    nobody = f"--mooq-address=amqp://127.0.0.1:{closed_port}"

    status, printed = run(ONE_TEST, nobody, "--mooq-timeout=1", workers)

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "waiting for" not in printed
    assert "\x1b" not in printed


def test_unreachable_broker_is_explained_once(run: Run, closed_port: int) -> None:
    two = f"{ONE_TEST}\n{ONE_TEST.replace('test_it', 'test_other')}"

    status, printed = run(
        two,
        f"--mooq-address=amqp://127.0.0.1:{closed_port}",
        "--mooq-timeout=1",
        DOCKER_HOST=NOWHERE,
    )

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "2 passed, 2 errors" in printed
    section = printed.partition(" no RabbitMQ ==")[2].partition("short test summary")[0]
    assert f"cannot connect to 127.0.0.1:{closed_port}: nothing listens there" in section
