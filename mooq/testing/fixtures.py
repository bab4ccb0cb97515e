"""The fixtures: a broker for every test, in memory or a virtual host of RabbitMQ."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING

import pytest

from mooq.testing.backends import check_backend, has_loop, is_marked
from mooq.testing.harness import BROKER, Harness

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # another plugin may run asynchronous fixtures without a mark
    async_fixture = pytest.fixture  # type: ignore[assignment]

if TYPE_CHECKING:
    from mooq.basics.address import Address
    from mooq.client.channel import Channel
    from mooq.client.connection import Connection
    from mooq.testing.broker import Backend, Broker
    from mooq.testing.faults import Faults
    from mooq.testing.lease import RunningRabbitMQ
    from mooq.testing.recorder import Recorder
    from mooq.testing.sync_broker import SyncBroker

_serial = itertools.count(1)


@pytest.fixture(
    scope="session", params=["in_memory", pytest.param("rabbit", marks=pytest.mark.rabbit)]
)
def mooq_backend(request: pytest.FixtureRequest) -> Backend:
    """The name of the broker that the test runs on: both in turn, unless ``--mooq-backend`` says.

    ``@pytest.mark.parametrize("mooq_backend", ["in_memory"])`` chooses one for a test. With a
    broker of a wider scope, add ``scope="session"``.
    """
    backend: Backend = request.param
    return backend


@pytest.fixture(scope="session")
def mooq_rabbitmq(pytestconfig: pytest.Config) -> RunningRabbitMQ:
    """The run's RabbitMQ; ``mooq_virtual_host`` is a test's share of it.

    If RabbitMQ cannot be started on this machine, the test is skipped, unless MOOQ_REQUIRE_RABBITMQ
    is set.
    """
    return Harness.of(pytestconfig).rabbitmq()


@contextmanager
def leased_virtual_host(config: pytest.Config) -> Iterator[str]:
    """Create a virtual host of the run's RabbitMQ for the block."""
    from mooq.testing.lease import Failed

    lease = Harness.of(config).ask()
    answer = lease.virtual_host()
    if isinstance(answer, Failed):
        pytest.fail(answer.reason, pytrace=False)
    yield answer.name
    lease.release(answer.name)


@pytest.fixture
def mooq_virtual_host(mooq_rabbitmq: RunningRabbitMQ, pytestconfig: pytest.Config) -> Iterator[str]:
    """A new virtual host of the run's RabbitMQ, deleted after the test."""
    with leased_virtual_host(pytestconfig) as virtual_host:
        yield virtual_host


@pytest.fixture
def mooq_address(mooq_backend: Backend, request: pytest.FixtureRequest) -> Address:
    """The address of the test's broker; on RabbitMQ, its own virtual host."""
    check_backend(mooq_backend, request)
    if mooq_backend == "in_memory":
        return address_in_memory()
    return address_on(
        request.getfixturevalue("mooq_rabbitmq"), request.getfixturevalue("mooq_virtual_host")
    )


def address_in_memory() -> Address:
    """Return the address for a new in-memory broker."""
    from mooq.basics.address import Address

    serial = next(_serial)
    return Address(f"in-memory-{serial}", virtual_host=f"mooq-{serial}")


def address_on(answer: RunningRabbitMQ, virtual_host: str) -> Address:
    """Return the address of a virtual host of the run's RabbitMQ."""
    from mooq.basics.address import Address

    return Address(
        answer["host"], answer["port"], answer["username"], answer["password"], virtual_host
    )


@pytest.fixture
def mooq_broker(mooq_backend: Backend, request: pytest.FixtureRequest) -> Broker | SyncBroker:
    """The test's own broker.

    It is a :class:`mooq.testing.broker.Broker` if the test, or one of its fixtures, is a coroutine.
    Otherwise it is a :class:`mooq.testing.sync_broker.SyncBroker`, which needs no event loop.
    """
    name = "mooq_async_broker" if has_loop(request.node) else "mooq_sync_broker"
    broker: Broker | SyncBroker = request.getfixturevalue(name)
    return broker


@async_fixture
async def mooq_async_broker(
    mooq_backend: Backend, mooq_address: Address, request: pytest.FixtureRequest
) -> AsyncIterator[Broker]:
    """``mooq_broker`` for coroutines."""
    broker = broker_of(request, mooq_backend, mooq_address)
    async with running(broker, is_strict=is_strict(request)):
        yield broker


@pytest.fixture
def mooq_sync_broker(
    mooq_backend: Backend, mooq_address: Address, request: pytest.FixtureRequest
) -> Iterator[SyncBroker]:
    """``mooq_broker`` for plain functions."""
    from mooq.testing.sync_broker import running_in_thread

    broker = broker_of(request, mooq_backend, mooq_address)
    running = broker.running(is_strict=is_strict(request))
    with failing_for_leftovers(), running_in_thread(running) as sync_broker:
        yield sync_broker


def broker_of(request: pytest.FixtureRequest, backend: Backend, address: Address) -> Broker:
    """Return a test's broker, configured by marks, fixtures and settings."""
    from mooq.testing.broker import Broker

    settings = Harness.of(request.config).settings
    broker = request.node.stash[BROKER] = Broker(
        backend,
        address,
        allows_failures=is_marked(request.node, "mooq_allow_failures"),
        has_faults="mooq_faults" in request.fixturenames,
        redelivers=is_marked(request.node, "mooq_redeliver", otherwise=settings.redelivers),
        listens_in_thread=not iscoroutinefunction(getattr(request.node, "obj", None)),
    )
    return broker


def is_strict(request: pytest.FixtureRequest) -> bool:
    """Whether a test fails if it leaves messages or exceptions behind."""
    settings = Harness.of(request.config).settings
    return settings.is_strict and not is_marked(request.node, "mooq_allow_leftovers")


@contextmanager
def failing_for_leftovers() -> Iterator[None]:
    """Fail the test if it left messages or exceptions behind."""
    from mooq.testing.leftovers import Leftovers

    left_behind = ""
    try:
        yield
    except Leftovers as error:
        left_behind = str(error)
    if left_behind:  # without a traceback, which would not show the test
        pytest.fail(left_behind, pytrace=False)


@asynccontextmanager
async def running(broker: Broker, *, is_strict: bool) -> AsyncIterator[None]:
    """Run a broker within the block; fail the test if it left anything behind."""
    with failing_for_leftovers():
        async with broker.running(is_strict=is_strict):
            yield


@pytest.fixture
def mooq_connect(mooq_async_broker: Broker) -> Callable[..., Awaitable[Connection]]:
    """``await mooq_connect()`` opens another connection, which is closed when the test ends."""
    return mooq_async_broker.connect


@pytest.fixture
def mooq_recorder(mooq_broker: Broker | SyncBroker) -> Recorder:
    """The records of published, delivered, settled and unroutable messages."""
    return mooq_broker.recorded


@pytest.fixture
def mooq_faults(mooq_broker: Broker | SyncBroker) -> Faults:
    """A network in front of the test's broker that can fail: cut, stall, delay and so on."""
    return mooq_broker.faults


@async_fixture
async def mooq_connection(mooq_async_broker: Broker) -> Connection:
    """A connection to the test's broker."""
    return await mooq_async_broker.connect()


@async_fixture
async def mooq_channel(mooq_connection: Connection) -> Channel:
    """A channel on ``mooq_connection``."""
    return await mooq_connection.create_channel()
