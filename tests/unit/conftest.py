"""Fixtures for tests that call the in-memory broker directly."""

from __future__ import annotations

import pytest

from mooq.transports.declarations import Queue as Declaration
from mooq.transports.direct import DirectBroker, DirectChannel, DirectConnection
from tests.unit.driving import Log, connect, new_broker


@pytest.fixture
def broker() -> DirectBroker:
    """A broker with two users and two virtual hosts."""
    return new_broker()


@pytest.fixture
def connection(broker: DirectBroker) -> DirectConnection:
    return connect(broker)


@pytest.fixture
def channel(connection: DirectConnection) -> DirectChannel:
    """A channel on which the durable queue ``q`` is declared."""
    channel = connection.channel()
    channel.declare_queue(Declaration("q"))
    return channel


@pytest.fixture
def other(broker: DirectBroker) -> DirectChannel:
    """A channel of another connection."""
    return connect(broker).channel()


@pytest.fixture
def log() -> Log:
    return Log()
