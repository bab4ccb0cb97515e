"""`mooq wait` and `mooq demo` on a running RabbitMQ."""

from __future__ import annotations

import json
import time

import pytest

from tests.command_line import ask, url_of
from tests.conftest import BrokerAddress

AT_ONCE = 30.0  # seconds, also on a busy machine; the default timeout is 60


def test_wait_for_a_running_broker_returns_at_once(rabbit_address: BrokerAddress) -> None:
    result = ask("wait", url_of(rabbit_address), "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer.pop("seconds") < AT_ONCE
    assert answer == {"host": rabbit_address["host"], "port": rabbit_address["port"]}
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "wrong"}, "refused the login of user"),
        ({"virtual_host": "none/such"}, "there is no virtual host 'none/such'"),
    ],
)
def test_wait_fails_at_once_on_a_permanent_error(
    rabbit_address: BrokerAddress, wrong: dict[str, str], said: str
) -> None:
    began = time.monotonic()
    result = ask("wait", url_of(rabbit_address, **wrong))
    assert time.monotonic() - began < AT_ONCE
    assert result.exit_code == 1
    assert said in result.stderr


def test_demo_runs_on_rabbitmq(rabbit_address: BrokerAddress) -> None:
    result = ask("demo", "--address", url_of(rabbit_address))
    assert result.exit_code == 0, result.stderr
    assert f" on {rabbit_address['host']}:{rabbit_address['port']}:" in result.stdout
    assert result.stdout.count("greeter heard") == 3
