"""The end of a service's log in errors of its launcher."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mooq.errors import BrokerConnectionError
from mooq.launchers import service
from mooq.launchers.service import ServiceLauncher
from mooq.launchers.systemctl import SystemctlLauncher

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such services")

FAILED = "'service rabbitmq-server restart' failed with exit status 1:\nunrecognized service"
LONG_AGO = 1_000_000_000  # seconds since 1970

Install = Callable[[str, str], None]


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of RabbitMQ's logs, which does not exist yet."""
    folder = tmp_path / "logs"
    monkeypatch.setattr(service, "LOGS", folder)
    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a command, a shell script, that needs no sudo."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def write(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return write


def error_of_a_start() -> str:
    with pytest.raises(BrokerConnectionError) as raised:
        asyncio.run(ServiceLauncher(60).start())
    return str(raised.value)


def test_missing_service_has_no_log(logs: Path, install: Install) -> None:
    install("service", "echo unrecognized service; exit 1")
    assert error_of_a_start() == FAILED


def test_log_of_an_earlier_start_is_not_shown(logs: Path, install: Install) -> None:
    logs.mkdir()
    (logs / "rabbit.log").write_text("an earlier node")
    os.utime(logs / "rabbit.log", (LONG_AGO, LONG_AGO))
    install("service", "echo unrecognized service; exit 1")
    assert error_of_a_start() == FAILED


def test_log_of_a_failed_start_is_shown(logs: Path, install: Install) -> None:
    logs.mkdir()
    log = f"echo disk full > '{logs}/rabbit.log'"
    install("service", f"{log}; echo unrecognized service; exit 1")
    assert error_of_a_start() == f"{FAILED}\nThe end of its log:\ndisk full"


def test_log_that_may_not_be_read_is_named(
    logs: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)  # root may read every folder
    install("service", "echo unrecognized service; exit 1")
    assert str(logs) in error_of_a_start()


def test_unit_without_a_journal_has_no_log(install: Install) -> None:
    install("systemctl", "echo not found; exit 5")
    quiet = 'case "$*" in *--quiet*|*--sync*) ;; *) echo "-- No entries --";; esac'
    install("journalctl", quiet)
    with pytest.raises(BrokerConnectionError) as raised:
        asyncio.run(SystemctlLauncher("none.service", 60).start())
    assert str(raised.value) == (
        "'systemctl restart none.service' failed with exit status 5:\nnot found"
    )
