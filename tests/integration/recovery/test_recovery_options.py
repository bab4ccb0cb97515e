"""Options of recovery: attempts, waits and logging."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

import mooq
from mooq.testing.broker import Backend
from mooq.testing.faults import faults_before
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.steps import unreachable

BRIEF = mooq.Recovery(attempts=3, first_wait=0.01, longest_wait=0.02)


class LeavingBroker(NamedTuple):
    """A broker that can be made unreachable."""

    address: BrokerAddress
    leave: Callable[[], Awaitable[None]]


@pytest.fixture
async def leaving(
    mooq_backend: Backend, request: pytest.FixtureRequest
) -> AsyncIterator[LeavingBroker]:
    async with AsyncExitStack() as reachable:
        if mooq_backend == "rabbit":
            real: BrokerAddress = request.getfixturevalue("rabbit_address")
            faults = await reachable.enter_async_context(faults_before(**real))
            address = faults.arguments
        else:
            address = BrokerAddress(
                broker="in_memory",
                host="leaving",
                port=1,
                username="guest",
                password="guest",
                virtual_host="/",
            )
            broker = mooq.InMemoryBroker(host=address["host"], port=address["port"])
            await reachable.enter_async_context(broker)
        yield LeavingBroker(address, reachable.aclose)


async def test_recovery_gives_up_after_its_attempts(
    leaving: LeavingBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mooq.recovery")
    async with await mooq.connect(**leaving.address, recovery=BRIEF) as conn:
        chan = await conn.create_channel()
        await chan.register_producer(exchange_name="log", exchange_type="direct")
        where = f"{leaving.address['host']}:{leaving.address['port']}"
        processing = asyncio.create_task(conn.process_events())
        await leaving.leave()
        async with asyncio.timeout(LONGEST_WAIT):
            with pytest.raises(mooq.BrokerConnectionError) as caught:
                await processing
        assert str(caught.value) == (
            f"the connection to {where} was lost; gave up after attempt 3; last error: "
            + unreachable(**leaving.address)
        )
        lines = [record for record in caplog.records if record.name == "mooq.recovery"]
        assert [(line.levelname, line.getMessage().partition(",")[0]) for line in lines] == [
            ("WARNING", f"the connection to {where} was lost; reconnecting"),
            ("WARNING", "attempt 1 to reconnect failed"),
            ("DEBUG", "attempt 2 to reconnect failed"),
            ("ERROR", lines[-1].getMessage().partition(",")[0]),
        ]
        assert lines[-1].getMessage().startswith(f"gave up reconnecting to {where}: cannot")
        # The next call gets three attempts again, despite its long timeout.
        async with asyncio.timeout(LONGEST_WAIT):
            with pytest.raises(mooq.BrokerConnectionError, match="gave up after attempt 3"):
                await chan.publish(exchange_name="log", msg=1, timeout=3600)


async def test_abandoned_connection_reconnects_on_demand() -> None:
    broker = mooq.InMemoryBroker(host="given up", port=1)
    await broker.run()
    async with await mooq.connect("given up", 1, "in_memory", recovery=BRIEF) as conn:
        chan, inbox = await conn.create_channel(), Inbox()
        await chan.register_consumer(exchange_name="e", exchange_type="fanout", callback=inbox)
        await broker.close()
        with pytest.raises(mooq.BrokerConnectionError, match="given up"):
            await conn.process_events()
        async with broker:
            await chan.publish(exchange_name="e", msg="back")
            await conn.process_events(num_cycles=1)
            assert inbox.bodies == ["back"]


async def test_recovery_log_has_its_own_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "mooq.recovery")
    async with (
        mooq.InMemoryBroker(host="silent", port=1) as broker,
        await mooq.connect("silent", 1, "in_memory") as conn,
    ):
        chan = await conn.create_channel()
        broker.drop_connections()
        await chan.register_producer(exchange_name="log", exchange_type="direct")
    assert caplog.records == []


async def test_recovery_of_another_type_is_refused(broker_address: BrokerAddress) -> None:
    with pytest.raises(TypeError, match=r"^recovery must be a mooq\.Recovery, not int$"):
        await mooq.connect(**broker_address, recovery=3)  # type: ignore[arg-type]
