"""Recorded conversations with RabbitMQ, replayed against the in-memory broker on its port."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mooq.broker.broker import Broker
from mooq.server.listening import Listener, ListenerThread
from tests.conversations import VERSIONS, rules

QUIET = 0.1
"""Seconds without an answer after which none is to come: the broker answers at once."""


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """A version of RabbitMQ."""
    return str(request.param)


@pytest.fixture
def address(version: str) -> Iterator[tuple[str, int]]:
    """The address of a broker in memory."""
    broker = Broker(
        {"guest": "guest"},
        ["/"],
        version=version,
        now=time.monotonic(),
        time_of_day=lambda: int(time.time()),
    )
    thread = ListenerThread(Listener(broker))
    thread.start()
    yield "127.0.0.1", thread.port
    thread.close()


@pytest.mark.parametrize("name", sorted(rules.CONVERSATIONS.keys() - {"stream"}))
def test_rules_are_those_of_rabbitmq(version: str, address: tuple[str, int], name: str) -> None:
    answers = rules.converse(address, name, QUIET)
    assert rules.without_times(answers) == rules.without_times(rules.recorded(version)[name])


def test_stream_is_refused_by_name(address: tuple[str, int]) -> None:
    (answer,) = rules.converse(address, "stream", QUIET)
    assert "540" in answer
    assert "cannot be a stream: mooq's in-memory broker has none; use RabbitMQ" in answer
