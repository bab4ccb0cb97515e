"""Resource leaks: a closed connection leaves no task, descriptor or warning."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import mooq
from tests.conftest import BrokerAddress
from tests.integration.inbox import HeldInbox
from tests.integration.steps import consume, make_queue, no_task_left, until

TIMES = 3
DESCRIPTORS = Path("/proc/self/fd")


async def closed(address: BrokerAddress) -> None:
    async with await mooq.connect(**address) as conn:
        await make_queue(conn, "q")
        await publish(await conn.create_channel())


async def closed_under_running_callbacks(address: BrokerAddress) -> None:
    async with await mooq.connect(**address) as conn:
        inbox = await held(conn)
        processing = asyncio.create_task(conn.process_events())
        await inbox.has(1)
        await conn.close(timeout=0.01)
        await processing


async def cancelled_while_it_processes_events(address: BrokerAddress) -> None:
    async with await mooq.connect(**address) as conn:
        inbox = await held(conn)
        processing = asyncio.create_task(conn.process_events())
        await inbox.has(1)
        processing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await processing
        inbox.open()


async def cancelled_while_it_closes(address: BrokerAddress) -> None:
    conn = await mooq.connect(**address)
    inbox = await held(conn)
    processing = asyncio.create_task(conn.process_events())
    await inbox.has(1)
    closing = asyncio.create_task(conn.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await processing


async def cancelled_while_it_connects(address: BrokerAddress) -> None:
    for turns in range(0, 30, 2):
        connecting = asyncio.create_task(mooq.connect(**address))
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await connecting).close()


async def cancelled_publishes(address: BrokerAddress) -> None:
    async with await mooq.connect(**address) as conn:
        await make_queue(conn, "q")
        chan = await conn.create_channel()
        publishing = [asyncio.create_task(publish(chan)) for _ in range(20)]
        await asyncio.sleep(0)
        for each in publishing:
            each.cancel()
        await asyncio.gather(*publishing, return_exceptions=True)


async def refused(address: BrokerAddress) -> None:
    stranger: BrokerAddress = {**address, "password": "not the password"}
    with pytest.raises(mooq.BrokerConnectionError):
        await mooq.connect(**stranger)


async def publish(chan: mooq.Channel) -> None:
    await chan.publish(exchange_name="log", msg=1)


async def held(conn: mooq.Connection) -> HeldInbox:
    """Start a callback that runs until the inbox is opened."""
    chan, inbox = await conn.create_channel(), HeldInbox()
    await consume(chan, inbox)
    await publish(chan)
    return inbox


FATES = (
    closed,
    closed_under_running_callbacks,
    cancelled_while_it_processes_events,
    cancelled_while_it_closes,
    cancelled_while_it_connects,
    cancelled_publishes,
    refused,
)


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
@pytest.mark.parametrize("fate", FATES, ids=lambda fate: fate.__name__)
async def test_closed_connection_leaves_no_resources(
    fate: Callable[[BrokerAddress], Awaitable[None]], broker_address: BrokerAddress
) -> None:
    asyncio.get_running_loop().set_debug(True)
    await fate(broker_address)  # loads everything that is imported or opened only once
    before = descriptors()
    gc.collect()  # warnings about other tests must not be caught below
    with warnings.catch_warnings(record=True) as complaints:
        async with no_task_left():
            for _ in range(TIMES):
                await fate(broker_address)
        await until_no_more_than(before)
        gc.collect()
    assert [str(each.message) for each in complaints] == []


def descriptors() -> list[str]:
    """Return the open file descriptors, for the error text."""
    found = []
    for one in DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):  # the descriptor of this listing
            found.append(str(one.readlink()))
    return sorted(found)


async def until_no_more_than(before: list[str]) -> None:
    """Wait until there are no more descriptors than before."""
    try:
        await until(lambda: len(descriptors()) <= len(before), "descriptors to be closed")
    except AssertionError as error:
        left = sorted({*descriptors()} - {*before})
        raise AssertionError(f"{error}; opened by {TIMES} connections, of {left}") from None
