"""Callbacks that take longer than the broker's consumer_timeout."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

import mooq
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT, HeldInbox
from tests.integration.restarting import own_rabbitmq
from tests.integration.steps import processing, publish_each
from tests.log_lines import LogLines
from tests.managed_docker import ManagedDockerLauncher

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IN_MEMORY: BrokerAddress = {
    "broker": "in_memory",
    "host": "impatient",
    "port": 1,
    "username": "guest",
    "password": "guest",
    "virtual_host": "/",
}
CONFIGURATION = b"[{rabbit, [{consumer_timeout, 1000}, {channel_tick_interval, 300}]}]."


class ImpatientLauncher(ManagedDockerLauncher):
    """A RabbitMQ that waits one second for an acknowledgement."""

    def _to_be_thrown_away(self, container: DockerContainer) -> DockerContainer:
        return (
            super()
            ._to_be_thrown_away(container)
            .with_copy_into_container(CONFIGURATION, "/etc/rabbitmq/advanced.config")
        )


@pytest.fixture(params=["4.0", "4.3", pytest.param("rabbit", marks=pytest.mark.rabbit)])
async def impatient(request: pytest.FixtureRequest) -> AsyncIterator[BrokerAddress]:
    """Run a broker with a short consumer timeout."""
    if request.param == "rabbit":
        async with own_rabbitmq(ImpatientLauncher) as (address, _, _):
            yield address
    else:
        broker = mooq.InMemoryBroker(
            host="impatient", port=1, consumer_timeout=0.2, version=request.param
        )
        async with broker:
            yield IN_MEMORY


@pytest.fixture
def recovery_log() -> Iterator[LogLines]:
    """Return the log lines about recovery and about consumers that the broker has cancelled."""
    handler = LogLines()
    loggers = [logging.getLogger(f"mooq.{name}") for name in ("recovery", "consumers")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)


async def test_slow_callback_runs_once_despite_the_timeout(
    impatient: BrokerAddress, recovery_log: LogLines
) -> None:
    async with await mooq.connect(**impatient) as conn:
        chan, inbox = await conn.create_channel(), HeldInbox()
        await chan.register_consumer(
            "q",
            exchange_name="log",
            exchange_type="direct",
            callback=inbox,
            prefetch_count=1,
            queue_arguments=mooq.queue_arguments(queue_type="quorum"),
        )
        async with processing(conn), asyncio.timeout(LONGEST_WAIT):
            await publish_each(chan, ["slow", "next"])
            await inbox.has(1)
            line = await recovery_log.lines.get()
            inbox.open()
            assert await inbox.has(2) == ["slow", "next"]
            await chan.publish(exchange_name="log", msg="last")
            assert await inbox.has(3) == ["slow", "next", "last"]
    assert line.startswith("callback <tests.integration.inbox.HeldInbox object")
    assert "has held a message of queue 'q'" in line
    assert "consumer_timeout" in line


async def test_queue_argument_sets_the_consumer_timeout(
    impatient: BrokerAddress, recovery_log: LogLines
) -> None:
    async with await mooq.connect(**impatient) as conn:
        chan, other, inbox = await conn.create_channel(), await conn.create_channel(), HeldInbox()
        patient = mooq.queue_arguments(queue_type="quorum", consumer_timeout=3600)
        await other.register_consumer(
            "patient",
            exchange_name="log",
            exchange_type="fanout",
            callback=inbox,
            queue_arguments=patient,
        )
        await chan.register_consumer(
            "impatient",
            exchange_name="log",
            exchange_type="fanout",
            callback=inbox,
            queue_arguments=mooq.queue_arguments(queue_type="quorum"),
        )
        async with processing(conn), asyncio.timeout(LONGEST_WAIT):
            await chan.publish(exchange_name="log", msg="m")
            await inbox.has(2)
            assert "queue 'impatient'" in await recovery_log.lines.get()
            inbox.open()
            await inbox.has_finished(2)
