"""Both brokers for every test that asks for one, and the fixtures to use them with.

A test with ``broker_address``, or anything made of it, runs twice: ``[in_memory]`` and
``[rabbit]``. Each gets a broker, or a virtual host of the shared RabbitMQ, that is new.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any, TypeAlias, TypedDict

import pytest

import mooq
from tests.shared_broker import Answer, Offer, answer_to, ask, leave_out, owned
from tests.virtual_hosts import Management, virtual_hosts

serial = itertools.count(1)

OFFER = pytest.StashKey[Offer]()
OWNING = pytest.StashKey[ExitStack]()
QUESTION = pytest.StashKey[socket.socket]()

Connect: TypeAlias = Callable[..., Awaitable[mooq.Connection]]


class BrokerAddress(TypedDict):
    """The arguments of :func:`mooq.connect` that lead to a test's own broker."""

    broker: str
    host: str
    port: int
    username: str
    password: str
    virtual_host: str


def pytest_sessionstart(session: pytest.Session) -> None:
    """Own the shared RabbitMQ, or, in a worker of pytest-xdist, know whom to ask."""
    config = session.config
    if hasattr(config, "workerinput"):
        config.stash[OFFER] = tuple(config.workerinput["rabbitmq"])
    else:
        owning = config.stash[OWNING] = ExitStack()
        config.stash[OFFER] = owning.enter_context(owned())
        config.add_cleanup(owning.close)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the shared RabbitMQ before a stopped run waits for its workers: they may wait for it."""
    if owning := session.config.stash.get(OWNING, None):
        owning.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist whom to ask."""
    node.workerinput["rabbitmq"] = node.config.stash[OFFER]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes a RabbitMQ, and run the rest first: RabbitMQ boots meanwhile."""
    for item in items:
        if "rabbit_address" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.rabbit)
    items.sort(key=_takes_rabbitmq)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ask for RabbitMQ as soon as it is known that it is wanted."""
    if any(map(_takes_rabbitmq, session.items)) and not session.config.option.collectonly:
        question = ask(session.config.stash[OFFER])
        session.config.stash[QUESTION] = question
        session.config.add_cleanup(question.close)


def _takes_rabbitmq(item: pytest.Item) -> bool:
    return item.get_closest_marker("rabbit") is not None


@pytest.fixture(scope="session")
def rabbitmq(pytestconfig: pytest.Config) -> Answer:
    """The shared RabbitMQ; tests use ``rabbit_address``, a virtual host of it."""
    question = pytestconfig.stash.get(QUESTION, None) or ask(pytestconfig.stash[OFFER])
    answer = answer_to(question)
    if failed := answer.get("failed"):
        pytest.fail(failed, pytrace=False)
    if missing := answer.get("missing"):
        leave_out(missing)
    return answer


@pytest.fixture(scope="session")
def fresh_virtual_hosts(rabbitmq: Answer) -> Iterator[Generator[str, None, None]]:
    """Virtual hosts of the shared RabbitMQ, each given away once."""
    management = Management(
        rabbitmq["management_host"],
        rabbitmq["management_port"],
        rabbitmq["username"],
        rabbitmq["password"],
    )
    hosts = virtual_hosts(management)
    yield hosts
    with suppress(mooq.BrokerConnectionError):  # of a run that was stopped, RabbitMQ is gone
        hosts.close()


@pytest.fixture
def rabbit_address(
    rabbitmq: Answer, fresh_virtual_hosts: Generator[str, None, None]
) -> BrokerAddress:
    """A virtual host of the shared RabbitMQ that no other test uses."""
    return {
        "broker": "rabbit",
        "host": rabbitmq["host"],
        "port": rabbitmq["port"],
        "username": rabbitmq["username"],
        "password": rabbitmq["password"],
        "virtual_host": next(fresh_virtual_hosts),
    }


@pytest.fixture
async def in_memory_address() -> AsyncIterator[BrokerAddress]:
    """A broker in memory that no other test uses, with a virtual host as RabbitMQ's would be."""
    address: BrokerAddress = {
        "broker": "in_memory",
        "host": f"in-memory-{next(serial)}",
        "port": 5672,
        "username": "guest",
        "password": "guest",
        "virtual_host": f"mooq-{next(serial)}",
    }
    async with mooq.InMemoryBroker(
        host=address["host"], port=address["port"], virtual_hosts=("/", address["virtual_host"])
    ):
        yield address


@pytest.fixture(params=["in_memory", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def broker_address(request: pytest.FixtureRequest) -> BrokerAddress:
    """The arguments of ``mooq.connect`` for a broker that is the test's own: both, in turn."""
    address: BrokerAddress = request.getfixturevalue(f"{request.param}_address")
    return address


@pytest.fixture
async def connect(broker_address: BrokerAddress) -> AsyncIterator[Connect]:
    """``await connect()``: a connection to the test's broker, closed at the end of the test.

    Arguments go to ``mooq.connect`` in place of those that lead to the test's broker.
    """
    async with AsyncExitStack() as closing_all:

        async def connect(**arguments: Any) -> mooq.Connection:
            connection = await mooq.connect(**{**broker_address, **arguments})
            return await closing_all.enter_async_context(connection)

        yield connect


@pytest.fixture
async def conn(connect: Connect) -> mooq.Connection:
    """A connection to the test's broker."""
    return await connect()


@pytest.fixture
async def chan(conn: mooq.Connection) -> mooq.Channel:
    """A channel of ``conn``."""
    return await conn.create_channel()
