"""mooq's tests use mooq's harness; these are its fixtures by shorter names."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, settings

import mooq
from mooq.launchers.ports import LOOPBACK
from mooq.testing.arguments import Arguments
from mooq.testing.broker import Broker
from mooq.testing.lease import RunningRabbitMQ
from tests.log_lines import LogLines

pytest_plugins = ["pytester"]

# Hypothesis writes the same examples each time, however busy the machine is, so that a run fails
# for what was changed; `pytest --hypothesis-profile=explore` looks for what nobody thought of.
settings.register_profile("explore", deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("same", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("same")

# A shell's job in the background ignores Ctrl-C, and so would all that these tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

BrokerAddress: TypeAlias = Arguments
Connect: TypeAlias = Callable[..., Awaitable[mooq.Connection]]


@pytest.fixture
def broker_address(mooq_broker: Broker) -> BrokerAddress:
    """The arguments of ``mooq.connect`` for a broker that is the test's own: both, in turn."""
    return mooq_broker.arguments


@pytest.fixture
def rabbit_address(mooq_rabbitmq: RunningRabbitMQ, mooq_virtual_host: str) -> BrokerAddress:
    """A virtual host of the run's RabbitMQ that no other test uses."""
    return {
        "broker": "rabbit",
        "host": mooq_rabbitmq["host"],
        "port": mooq_rabbitmq["port"],
        "username": mooq_rabbitmq["username"],
        "password": mooq_rabbitmq["password"],
        "virtual_host": mooq_virtual_host,
    }


@pytest.fixture
def connect(mooq_connect: Connect) -> Connect:
    """``await connect()``: a connection to the test's broker, closed at the end of the test."""
    return mooq_connect


@pytest.fixture
def conn(mooq_connection: mooq.Connection) -> mooq.Connection:
    """A connection to the test's broker."""
    return mooq_connection


@pytest.fixture
def chan(mooq_channel: mooq.Channel) -> mooq.Channel:
    """A channel of ``conn``."""
    return mooq_channel


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that nothing listens at, nor can: it is taken."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        yield taken.getsockname()[1]


@pytest.fixture
def default_virtual_host(
    mooq_rabbitmq: RunningRabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningRabbitMQ]:
    """The run's RabbitMQ for a program of fixed names, in the virtual host that all tests share.

    Tests that take it wait for each other, whichever worker they run in.
    """
    import fcntl  # which Windows lacks

    with (tmp_path_factory.getbasetemp().parent / "default virtual host").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield mooq_rabbitmq


@pytest.fixture
def callback_log() -> Iterator[LogLines]:
    """Return the log lines about callbacks."""
    handler, logger = LogLines(), logging.getLogger("mooq.callbacks")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
