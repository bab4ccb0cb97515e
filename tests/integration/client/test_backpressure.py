"""Backpressure: publishing faster than the broker or the network accepts."""

from __future__ import annotations

import asyncio

import pytest

import mooq
from mooq.testing.faults import Faults
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.restarting import ControlledLauncher, own_rabbitmq
from tests.integration.steps import bodies_of, consume, logged, make_queue, no_task_left, processing

WATERMARK = "set_vm_memory_high_watermark"
LOW = "the broker is low on memory or disk, and its alarm blocks the connection"


@pytest.mark.rabbit
async def test_publishers_wait_while_an_alarm_blocks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "mooq.publishing")
    async with (
        no_task_left(),
        own_rabbitmq(ControlledLauncher) as (address, _, node),
        await mooq.connect(**address) as conn,
        await mooq.connect(**address) as observer,
    ):
        where = f"{address['host']}:{address['port']}"
        await make_queue(conn, "q")
        chan, look = await conn.create_channel(), await observer.create_channel()
        await chan.publish(exchange_name="log", msg="before")
        await node.control(WATERMARK, "absolute", "1MB")

        # Messages sent before RabbitMQ blocks the connection stay unconfirmed but are not lost.
        told, unconfirmed = await publish_until_told(chan)
        assert str(told) == f"{where} accepted no message within 0.5 s: {LOW}; it was not sent"
        waiting = [
            asyncio.create_task(chan.publish(exchange_name="log", msg=number, timeout=60))
            for number in range(20)
        ]
        assert logged(caplog) == [f"publishing to {where} is blocked: {LOW}"]

        # Consuming and closing still work.
        assert (await chan.get("q"))["msg"] == "before"
        other = await mooq.connect(**address)
        await publish_until_told(await other.create_channel())
        async with asyncio.timeout(LONGEST_WAIT):
            await other.close()
        assert not any(task.done() for task in waiting)

        await node.control(WATERMARK, "0.6")
        await asyncio.gather(*waiting)
        assert logged(caplog)[-1] == f"publishing to {where} continues"
        arrived = [body for body in await bodies_of(look, "q") if isinstance(body, int)]
        assert arrived == list(range(20))
        assert unconfirmed


async def publish_until_told(
    channel: mooq.Channel, padding: str = ""
) -> tuple[mooq.BrokerConnectionError, list[mooq.PublishUnconfirmed]]:
    """Publish until a message cannot be sent; return that error and the earlier ones."""
    unconfirmed: list[mooq.PublishUnconfirmed] = []
    async with asyncio.timeout(LONGEST_WAIT):
        while True:
            msg = ["unconfirmed", len(unconfirmed), padding]
            try:
                await channel.publish(exchange_name="log", msg=msg, timeout=0.5)
            except mooq.PublishUnconfirmed as error:
                unconfirmed.append(error)
            except mooq.BrokerConnectionError as error:
                return error, unconfirmed


@pytest.mark.parametrize("mooq_backend", [pytest.param("rabbit", marks=pytest.mark.rabbit)])
async def test_publishers_wait_while_the_network_stalls(
    mooq_faults: Faults,
    conn: mooq.Connection,
    chan: mooq.Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="log", msg=["first", -1])
    mooq_faults.stall()
    told, unconfirmed = await publish_until_told(chan, "x" * 2**22)
    assert "is not accepting data; it was not sent" in str(told)
    assert len(logged(caplog)) == 1
    mooq_faults.heal()
    await chan.publish(exchange_name="log", msg=["last", 0])
    # Only the messages that were sent arrive.
    assert [body[:2] for body in await bodies_of(chan, "q")] == [
        ["first", -1],
        *(["unconfirmed", number] for number in range(len(unconfirmed))),
        ["last", 0],
    ]


async def test_slow_consumer_holds_at_most_its_prefetch(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    async with asyncio.TaskGroup() as publishing:
        for number in range(1000):
            publishing.create_task(chan.publish(exchange_name="log", msg=number))
    held, release = Inbox(), asyncio.Event()
    most = 0

    async def slow(message: mooq.IncomingMessage) -> None:
        nonlocal most
        most = max(most, len(conn._dispatcher.running) + len(conn._dispatcher.waiting))
        held.keep(message)
        await release.wait()

    await consume(chan, slow, prefetch_count=100)
    async with processing(conn):
        await held.has(100)
        release.set()
        assert await held.has(1000) == list(range(1000))
    assert most == 100
