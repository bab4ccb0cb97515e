"""Recorded conversations with RabbitMQ, replayed against the in-memory broker on its port."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mooq.broker.broker import Broker
from mooq.server.listener import Listener, ListenerThread
from tests.conversations import CONVERSATIONS, DIFFERENT, VERSIONS, recorded, rules
from tests.conversations.direct import TOGETHER, converse_by_rules
from tests.conversations.direct import converse as converse_directly

QUIET = 0.1
"""Seconds without a reply that end the wait. They pass at once, in the broker's time."""
TURNS = 3
"""Iterations of the server's loop in which it reads and answers all earlier input."""


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """A version of RabbitMQ."""
    return str(request.param)


@pytest.fixture
def server(version: str, request: pytest.FixtureRequest) -> Iterator[ListenerThread]:
    """A broker in memory on a port, with the permissions that the conversation is held with."""
    name = request.node.callspec.params.get("name", "")
    broker = Broker(
        {"guest": "guest"},
        ["/"],
        version=version,
        now=time.monotonic(),
        time_of_day=lambda: int(time.time()),
        permissions=rules.permissions(name),
    )
    thread = ListenerThread(Listener(broker))
    thread.start()
    yield thread
    thread.close()


def converse(server: ListenerThread, name: str) -> list[str]:
    """Run a conversation and return the replies."""

    def pass_time(seconds: float) -> None:
        for _ in range(TURNS):
            server.call(lambda _: None)
        server.call(lambda broker: broker.skip(seconds))

    with rules.connect(("127.0.0.1", server.port)) as connection:
        return rules.converse(connection, name, QUIET, pass_time)


@pytest.mark.parametrize("name", sorted(rules.CONVERSATIONS.keys() - rules.REFUSED))
def test_rules_match_recorded_rabbitmq(version: str, server: ListenerThread, name: str) -> None:
    answers = converse(server, name)
    assert rules.without_times(answers) == rules.without_times(rules.recorded(version)[name])


def test_stream_is_refused_by_name(server: ListenerThread) -> None:
    (answer,) = converse(server, "stream")
    assert "540" in answer
    assert "cannot be a stream: mooq's in-memory broker has none; use RabbitMQ" in answer


@pytest.mark.parametrize("piece", [0, 1], ids=["whole steps", "byte by byte"])
def test_replies_match_rabbitmq_for_any_chunking(version: str, piece: int) -> None:
    expected = recorded(version)
    for name, steps in CONVERSATIONS.items():
        if (version, name) not in DIFFERENT and not (piece and name in TOGETHER):
            assert (name, converse_directly(version, steps, piece)) == (name, expected[name])


def test_rules_match_rabbitmq_byte_by_byte(version: str) -> None:
    expected = rules.recorded(version)
    for name in rules.CONVERSATIONS.keys() - rules.REFUSED:
        said = rules.without_times(converse_by_rules(version, name, piece=1))
        assert (name, said) == (name, rules.without_times(expected[name]))
