"""`mooq parity` on a running RabbitMQ."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.command_line import LONGEST_COMMAND, mooq, running, url_of
from tests.conftest import BrokerAddress

FAULT = """
from mooq.transports import memory
async def fail(channel, exchange):
    raise RuntimeError("faulty")
memory.MemoryChannel.declare_exchange = fail
"""


def test_agreeing_brokers_exit_with_status_0(rabbit_address: BrokerAddress, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.json"
    arguments = ["--operations", 60, "--seed", 3, "-n", 2, "--ledger", ledger]

    shown = mooq("parity", "--against", url_of(rabbit_address), *arguments)
    result = mooq("parity", *arguments, "--json", MOOQ_RABBITMQ_URL=url_of(rabbit_address))

    assert (shown.returncode, result.returncode) == (0, 0), shown.stderr + result.stderr
    assert shown.stdout.startswith("| date | level | RabbitMQ |")
    assert "of 60 operations, 0 divergences" in shown.stderr
    answer = json.loads(result.stdout)
    assert answer["operations"] >= 60
    assert (answer["seed"], answer["workers"], answer["divergences"]) == (3, 2, 0)
    runs = json.loads(ledger.read_text(encoding="utf-8"))
    assert runs[1] == answer
    assert [run["operations"] for run in runs] == [answer["operations"]] * 2


def test_differing_brokers_exit_with_status_1(
    rabbit_address: BrokerAddress, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULT, encoding="utf-8")
    path = ":".join([str(tmp_path), *filter(None, sys.path)])

    result = mooq(
        *("parity", "--against", url_of(rabbit_address), "--operations", 200, "--seed", 1),
        PYTHONPATH=path,
    )

    assert result.returncode == 1, result.stderr
    assert "The in-memory broker differs from RabbitMQ" in result.stdout
    assert "RuntimeError: faulty" in result.stdout
    assert "async def test_both_brokers_agree_on_this_program() -> None:" in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_parity_and_its_processes(
    rabbit_address: BrokerAddress, number: signal.Signals
) -> None:
    with running(
        *("parity", "--against", url_of(rabbit_address), "--operations", 100_000, "-n", 2)
    ) as process:
        assert process.stderr is not None
        assert "Comparing with" in process.stderr.readline()

        process.send_signal(number)
        # Its processes share the pipe, which ends with the last of them.
        _, said = process.communicate(timeout=LONGEST_COMMAND)

    assert process.returncode == 128 + number
    assert said == f"Stopped by {number.name}.\n"
