"""Fixtures of mooq's harness under shorter names, and shared settings."""

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

# Hypothesis generates the same examples in every run, so that only a change can make a run
# fail; `pytest --hypothesis-profile=explore` generates new ones.
settings.register_profile("explore", deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("same", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("same")

# A background job ignores Ctrl-C, and so would the processes that these tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

BrokerAddress: TypeAlias = Arguments
Connect: TypeAlias = Callable[..., Awaitable[mooq.Connection]]


@pytest.fixture
def broker_address(mooq_broker: Broker) -> BrokerAddress:
    """The arguments of ``mooq.connect`` for the test's broker, in memory and on RabbitMQ."""
    return mooq_broker.arguments


@pytest.fixture
def rabbit_address(mooq_rabbitmq: RunningRabbitMQ, mooq_virtual_host: str) -> BrokerAddress:
    """The arguments of ``mooq.connect`` for a virtual host that no other test uses."""
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
    """A bound port without a listener, so that connections to it are refused."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        yield taken.getsockname()[1]


@pytest.fixture
def default_virtual_host(
    mooq_rabbitmq: RunningRabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningRabbitMQ]:
    """The run's RabbitMQ, for programs with fixed names in the default virtual host.

    Tests that use this fixture wait for each other, also across workers.
    """
    import fcntl  # not available on Windows

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
