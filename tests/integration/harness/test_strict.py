"""Strict mode with services on every client library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from mooq.testing import running_broker
from mooq.testing.broker import Backend
from mooq.testing.lease import RunningRabbitMQ
from mooq.testing.leftovers import Leftovers
from tests.integration.harness.services import DEAD, RESULTS, SERVICES, Service


@pytest.fixture
def strict(mooq_backend: Backend, request: pytest.FixtureRequest) -> running_broker:
    """A strict broker, not yet running."""
    if mooq_backend == "in_memory":
        return running_broker(strict=True)
    answer: RunningRabbitMQ = request.getfixturevalue("mooq_rabbitmq")
    url = "amqp://{username}:{password}@{host}:{port}".format(**answer)
    port = int(answer["management"].rpartition(":")[2])
    return running_broker(url, management_port=port, strict=True)


@contextmanager
def working(strict: running_broker, client: str) -> Iterator[Service]:
    """Run a service and wait until it is idle."""
    with strict as broker, ExitStack() as at_the_end:
        service = SERVICES[client](broker)
        service.start(at_the_end)
        yield service
        broker.idle()


def left_behind(strict: running_broker, client: str, *jobs: str) -> str:
    """Return the leftovers error of a test that sends these jobs, or an unroutable message."""

    def run() -> None:
        with working(strict, client) as service:
            if jobs:
                service.send(*jobs)
            else:
                service.send_nowhere()

    with pytest.raises(Leftovers) as caught:
        run()
    return str(caught.value)


@pytest.mark.parametrize("client", SERVICES)
def test_strict_test_fails_for_unseen_dead_letters(strict: running_broker, client: str) -> None:
    expected = f"1 message in queue '{DEAD}'; 1 message in queue '{RESULTS}'. Consume"
    assert expected in left_behind(strict, client, "good", "bad")


@pytest.mark.parametrize("client", SERVICES)
def test_strict_test_fails_for_unroutable_messages(strict: running_broker, client: str) -> None:
    assert left_behind(strict, client).startswith(
        "the test left behind 1 unroutable message published to exchange '' with key "
        "'nowhere'. Consume and await them, look at recorded.unroutable, or mark the test"
    )
