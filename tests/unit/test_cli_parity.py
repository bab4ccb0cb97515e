"""`mooq parity`: invalid arguments and runs without RabbitMQ."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import mooq
from tests.command_line import ask


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--operations", "0"], "0 is not in the range x>=1"),
        (["--workers", "0"], "0 is not in the range x>=1"),
        (["-n", "two"], "'two' is not a valid integer"),
        (["--seed", "-1"], "-1 is not in the range x>=0"),
        (["--against", "http://localhost"], "url must begin with amqp:// or amqps://"),
        (["--served", "5"], "'5' is not one of '3.10', '4.0', '4.3'"),
        (["--served", "4.0", "--ledger", "mine.json"], "a ledger records only runs on RabbitMQ"),
        (["--served", "4.0", "--against", "5672"], "--against cannot be combined with --served"),
        (["--ledger", "none/such/ledger.json"], "folder none/such does not exist"),
    ],
)
def test_invalid_parity_argument_exits_with_status_2(arguments: list[str], said: str) -> None:
    result = ask("parity", *arguments)

    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("text", ["not JSON", '[{"seed": 1}]', "{}x", "{}", '""', "null"])
def test_invalid_ledger_is_refused_before_the_run(tmp_path: Path, text: str) -> None:
    ledger = tmp_path / "mine.json"
    ledger.write_text(text, encoding="utf-8")

    result = ask("parity", "--ledger", str(ledger))

    assert result.exit_code == 2
    assert "mine.json is not a ledger of mooq parity" in result.stderr
    assert ledger.read_text(encoding="utf-8") == text


def test_parity_fails_without_a_broker() -> None:
    result = ask("parity", "--against", "127.0.0.1:1", "--seed", "7")

    assert result.exit_code == 1
    assert "cannot connect to 127.0.0.1:1: nothing listens there" in result.stderr
    assert "seed 7" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("version", ["3.10", "4.0", "4.3"])
def test_api_and_amqp_agree_in_memory(version: str) -> None:
    result = ask("parity", "--served", version, "--operations", "60", "--seed", "1", "-n", "1")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("| date | level | mooq over AMQP, as | operations |")
    assert f"| {version}." in result.stdout
    assert "0 divergences" in result.stderr


def test_served_ignores_the_address_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOQ_RABBITMQ_URL", "127.0.0.1:1")

    result = ask("parity", "--served", "4.0", "--operations", "1", "--seed", "1", "-n", "1")

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("level", [[], ["--wire"]])
def test_run_on_the_in_memory_broker_is_not_recorded(tmp_path: Path, level: list[str]) -> None:
    ledger = tmp_path / "mine.json"
    with mooq.InMemoryBroker(host="parity-peer", port=5672) as broker:
        against = ["--against", broker.url, "--operations", "1", "-n", "1", *level]

        refused = ask("parity", *against, "--ledger", str(ledger))
        compared = ask("parity", *against)

    assert refused.exit_code == 1
    assert "is mooq's own, and a ledger records only runs on RabbitMQ" in refused.stderr
    assert not ledger.exists()
    assert compared.exit_code == 0, compared.output
    assert "| mooq over AMQP, as |" in compared.stdout


def test_methods_are_compared_frame_by_frame() -> None:
    options = ("--wire", "--served", "4.3", "--operations", "60", "--seed", "1", "-n", "1")
    result = ask("parity", *options)

    assert result.exit_code == 0, result.output
    assert "| AMQP | 4.3." in result.stdout


def test_parity_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in ("ledger", "search", "strategies"):
        monkeypatch.delitem(sys.modules, f"mooq.parity.{name}", raising=False)

    result = ask("parity")

    assert result.exit_code == 1
    assert "pip install 'mooq[parity]'" in result.stderr
