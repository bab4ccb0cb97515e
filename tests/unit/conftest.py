"""A broker in memory and its parts, for tests that drive it by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mooq.broker.direct.broker import Broker, Channel, Connection
from mooq.broker.direct.virtual_host import VirtualHost
from mooq.transports.declarations import Exchange
from mooq.transports.declarations import Queue as Declaration
from tests.unit.driving import OWNER, Clock, Log, connect


@pytest.fixture
def broker() -> Broker:
    """A broker with two users and two virtual hosts."""
    return Broker({"guest": "guest", "ann": "secret"}, ["/", "tests"], lambda: datetime.now(UTC))


@pytest.fixture
def connection(broker: Broker) -> Connection:
    return connect(broker)


@pytest.fixture
def channel(connection: Connection) -> Channel:
    """A channel of a connection on which the durable queue ``q`` is declared."""
    channel = connection.channel()
    channel.declare_queue(Declaration("q"))
    return channel


@pytest.fixture
def other(broker: Broker) -> Channel:
    """A channel of another connection."""
    return connect(broker).channel()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def host() -> VirtualHost:
    """A virtual host with the direct exchange ``d`` and the durable queue ``q``, bound by ``k``."""
    host = VirtualHost("/", Clock())
    host.declare_exchange(Exchange("d", "direct"))
    host.declare_queue(Declaration("q"), OWNER)
    host.bind("q", "d", "k", OWNER)
    return host
