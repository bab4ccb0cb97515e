"""Services that run on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

import mooq
from tests.conftest import BrokerAddress
from tests.integration.inbox import Inbox
from tests.integration.steps import processing

uvloop = pytest.importorskip("uvloop", reason="there is no uvloop for Windows")


def on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def a_service_works(address: BrokerAddress) -> None:
    async with await mooq.connect(**address) as conn:
        chan, inbox = await conn.create_channel(), Inbox()
        await chan.register_consumer(
            "q", exchange_name="log", exchange_type="fanout", callback=inbox, prefetch_count=10
        )
        async with processing(conn):
            await asyncio.gather(
                *(chan.publish(exchange_name="log", msg=number) for number in range(300))
            )
            assert await inbox.has(300) == list(range(300))
        with pytest.raises(mooq.ExchangeNotFound):
            await chan.publish(exchange_name="missing", msg=1)
        with pytest.raises(mooq.NothingToConsume):
            await chan.get("q")


@pytest.mark.rabbit
def test_service_on_uvloop_works_on_rabbitmq(rabbit_address: BrokerAddress) -> None:
    on_uvloop(a_service_works(rabbit_address))


def test_service_on_uvloop_works_in_memory() -> None:
    async def main() -> None:
        async with mooq.InMemoryBroker(host="on uvloop", port=1):
            await a_service_works(
                {
                    "broker": "in_memory",
                    "host": "on uvloop",
                    "port": 1,
                    "username": "guest",
                    "password": "guest",
                    "virtual_host": "/",
                }
            )

    on_uvloop(main())
