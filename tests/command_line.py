"""Helpers that run mooq's command line, in a process or in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from click.testing import CliRunner, Result

from mooq.cli.commands import mooq as command_line
from tests.conftest import BrokerAddress

MOOQ = (sys.executable, "-W", "error", "-m", "mooq")
LONGEST_COMMAND = 100.0  # seconds


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a command, without the developer's settings for mooq."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if name not in {"MOOQ_RABBITMQ_URL", "TEST_DISTRIBUTION"}
    }
    return mine | variables


def ask(*arguments: str) -> Result:
    """Run a command in this process, which is faster than in another."""
    return CliRunner().invoke(command_line, arguments, prog_name="mooq", catch_exceptions=False)


def mooq(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``mooq`` without a terminal and wait until it ends."""
    return subprocess.run(
        [*MOOQ, *map(str, arguments)],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_COMMAND,
        check=False,
    )


def url_of(address: BrokerAddress, **other: str) -> str:
    """Return a broker's address as a URL, with some parts replaced."""
    part = {key: quote(str(value), safe="") for key, value in {**address, **other}.items()}
    login = f"{part['username']}:{part['password']}"
    return f"amqp://{login}@{part['host']}:{part['port']}/{part['virtual_host']}"


@contextmanager
def running(*arguments: object, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``mooq`` while the block lasts."""
    with subprocess.Popen(
        [*MOOQ, *map(str, arguments)],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
