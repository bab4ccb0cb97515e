"""Calls that are cancelled, or whose channel is closed, before RabbitMQ's n-th reply.

The in-memory broker replies at once, so its calls cannot be cancelled midway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from tenacity import retry, retry_if_not_exception_type, stop_after_delay, wait_fixed

import mooq
from mooq.testing.faults import Faults, faults_before
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.steps import (
    bodies_of,
    consume,
    drained,
    make_queue,
    no_task_left,
    processing,
    until,
)

MOST_ANSWERS = 12


class Cancelled:
    """A connection through a faulty network and a direct one to RabbitMQ."""

    def __init__(self, faults: Faults, observer: mooq.Connection) -> None:
        self.faults = faults
        self.address = faults.arguments
        self.observer = observer

    async def begun(self, answers: int, call: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Begin a call; return after this many replies, or when it is done."""
        self.faults.hold_answers(after=answers)
        calling = asyncio.create_task(call)
        holding = asyncio.create_task(self.faults.is_holding.wait())
        await asyncio.wait([calling, holding], return_when=asyncio.FIRST_COMPLETED)
        holding.cancel()
        return calling

    async def after(self, answers: int, call: Coroutine[Any, Any, object]) -> bool:
        """Cancel a call after this many replies; return False if it was already done."""
        calling = await self.begun(answers, call)
        is_cancelled = calling.cancel()
        self.faults.heal()  # takes effect only after the cancellation
        await asyncio.wait([calling])
        if not is_cancelled:
            await calling
        return is_cancelled


@pytest.fixture
async def cancelled(rabbit_address: BrokerAddress) -> AsyncIterator[Cancelled]:
    async with (
        faults_before(**rabbit_address) as faults,
        await mooq.connect(**rabbit_address) as observer,
    ):
        yield Cancelled(faults, observer)


async def instants(
    cancelled: Cancelled, call: Callable[[], Coroutine[Any, Any, object]]
) -> AsyncIterator[None]:
    """Cancel a call after each number of replies, until it completes first."""
    for answers in range(MOST_ANSWERS):
        if not await cancelled.after(answers, call()):
            assert answers > 0, "the call waited for no answer at all"
            return
        yield
    raise AssertionError(f"the call still waits after {MOST_ANSWERS} answers")


@retry(
    retry=retry_if_not_exception_type(mooq.MessageUnroutable),
    wait=wait_fixed(0.01),
    stop=stop_after_delay(LONGEST_WAIT),
)
async def until_unbound(channel: mooq.Channel) -> None:
    await channel.publish(exchange_name="log", msg="is anybody there?", mandatory=True)
    raise AssertionError("a queue is still bound to the exchange 'log'")


async def test_cancelled_connect_leaves_no_task(cancelled: Cancelled) -> None:
    async def connect() -> None:
        await (await mooq.connect(**cancelled.address)).close()

    async with no_task_left():
        async for _ in instants(cancelled, connect):
            pass
    async with await mooq.connect(**cancelled.address) as conn:
        await conn.create_channel()


async def test_cancelled_registration_of_a_named_queue(cancelled: Cancelled) -> None:
    look = await cancelled.observer.create_channel()
    async with await mooq.connect(**cancelled.address) as conn:
        channel = await conn.create_channel()

        async def register() -> None:
            await consume(channel, Inbox())
            await channel.delete_queue("q")

        async for _ in instants(cancelled, register):
            await make_queue(cancelled.observer, "q")
            await look.publish(exchange_name="log", msg="nobody's")
            # A cancelled consumer must requeue the message.
            assert (await look.get("q", timeout=LONGEST_WAIT))["msg"] == "nobody's"


async def test_cancelled_registration_of_an_unnamed_queue(cancelled: Cancelled) -> None:
    look = await cancelled.observer.create_channel()
    await look.register_producer(exchange_name="log", exchange_type="fanout")
    async with await mooq.connect(**cancelled.address) as conn:
        channel = await conn.create_channel()

        async def register() -> None:
            name = await channel.register_consumer(
                exchange_name="log", exchange_type="fanout", callback=Inbox()
            )
            await channel.delete_queue(name)

        async for _ in instants(cancelled, register):
            with pytest.raises(mooq.MessageUnroutable):
                await until_unbound(look)


@pytest.mark.parametrize("timeout", [None, LONGEST_WAIT])
async def test_cancelled_get_keeps_the_message(cancelled: Cancelled, timeout: float | None) -> None:
    look = await cancelled.observer.create_channel()
    await make_queue(cancelled.observer, "q")
    async with await mooq.connect(**cancelled.address) as conn:
        channel = await conn.create_channel()
        await look.publish(exchange_name="log", msg="m")
        async for _ in instants(cancelled, lambda: channel.get("q", timeout)):
            assert (await look.get("q", timeout=LONGEST_WAIT))["msg"] == "m"
            await look.publish(exchange_name="log", msg="m")


async def test_cancelled_wait_for_a_message_loses_nothing(cancelled: Cancelled) -> None:
    look = await cancelled.observer.create_channel()
    await make_queue(cancelled.observer, "q")
    async with await mooq.connect(**cancelled.address) as conn:
        channel = await conn.create_channel()

        async def wait() -> None:
            with pytest.raises(mooq.ConsumeTimeout):
                await channel.get("q", timeout=0.05)

        async for _ in instants(cancelled, wait):
            await look.publish(exchange_name="log", msg="m")
            assert (await look.get("q", timeout=LONGEST_WAIT))["msg"] == "m"


async def test_cancelled_publish_keeps_the_channel_usable(cancelled: Cancelled) -> None:
    look = await cancelled.observer.create_channel()
    await make_queue(cancelled.observer, "q")
    async with await mooq.connect(**cancelled.address) as conn:
        channel = await conn.create_channel()
        published = 0

        async def publish() -> None:
            nonlocal published
            published += 1
            await channel.publish(exchange_name="log", msg=published)

        async for _ in instants(cancelled, publish):
            await channel.publish(exchange_name="log", msg="next")
            arrived = await bodies_of(look, "q")
            assert arrived in (["next"], [published, "next"])
        assert await bodies_of(look, "q") == [published]


async def test_cancelled_queue_deletion_is_safe(cancelled: Cancelled) -> None:
    async with await mooq.connect(**cancelled.address) as conn:
        channel = await conn.create_channel()
        async for _ in instants(cancelled, lambda: channel.delete_queue("q")):
            await make_queue(conn, "q")


async def test_cancelled_process_events_loses_nothing(cancelled: Cancelled) -> None:
    look = await cancelled.observer.create_channel()
    async with await mooq.connect(**cancelled.address) as conn:
        channel = await conn.create_channel()
        inbox = await consume(channel, Inbox())
        await look.publish(exchange_name="log", msg="m")
        async for _ in instants(cancelled, lambda: conn.process_events(num_cycles=1)):
            await look.publish(exchange_name="log", msg="m")
        async with processing(conn):
            await look.publish(exchange_name="log", msg="last")
            await inbox.has_that(lambda: "last" in inbox.bodies, "the last message")


async def test_cancelled_channel_close_requeues_messages(cancelled: Cancelled) -> None:
    look = await cancelled.observer.create_channel()
    async with await mooq.connect(**cancelled.address) as conn:

        async def close(channel: mooq.Channel) -> None:
            await channel.close()

        for answers in range(MOST_ANSWERS):
            channel = await conn.create_channel()
            for name in ("one", "two"):
                await channel.register_consumer(
                    name, exchange_name="log", exchange_type="fanout", callback=Inbox()
                )
            await channel.publish(exchange_name="log", msg="m")
            is_cancelled = await cancelled.after(answers, channel.close())
            for name in ("one", "two"):
                assert (await look.get(name, timeout=LONGEST_WAIT))["msg"] == "m"
            if not is_cancelled:
                return
    raise AssertionError("closing still waits")


async def test_cancelled_connection_close_requeues_messages(cancelled: Cancelled) -> None:
    look = await cancelled.observer.create_channel()
    async with no_task_left():
        for answers in range(MOST_ANSWERS):
            conn = await mooq.connect(**cancelled.address)
            channel = await conn.create_channel()
            await consume(channel, Inbox())
            await channel.publish(exchange_name="log", msg="m")
            is_cancelled = await cancelled.after(answers, conn.close())
            message = await look.get("q", timeout=LONGEST_WAIT)
            assert message["msg"] == "m"
            if not is_cancelled:
                break
    assert await drained(look, "q") == []


async def test_queue_deleted_during_registration_is_noticed(
    cancelled: Cancelled, caplog: pytest.LogCaptureFixture
) -> None:
    look = await cancelled.observer.create_channel()
    for answers in range(MOST_ANSWERS):
        async with await mooq.connect(**cancelled.address) as conn:
            chan, inbox = await conn.create_channel(), Inbox()
            register = chan.register_consumer(
                "q", exchange_name="log", exchange_type="fanout", callback=inbox
            )
            registering = await cancelled.begun(answers, register)
            is_done = registering.done()
            await look.delete_queue("q")
            cancelled.faults.heal()
            outcome = (await asyncio.gather(registering, return_exceptions=True))[0]
            if isinstance(outcome, Exception):
                assert isinstance(outcome, mooq.ConsumerQueueNotFound)
            else:
                async with processing(conn):
                    await look.publish(exchange_name="log", msg="heard")
                    await until(
                        lambda: inbox.messages or "queue 'q' was deleted" in caplog.text,  # noqa: B023
                        "a message, or word that none will come",
                    )
            caplog.clear()
        if is_done:
            return
    raise AssertionError("the call still waits")


CALLS: dict[str, Callable[[mooq.Channel], Coroutine[Any, Any, object]]] = {
    "register_producer": lambda chan: chan.register_producer(
        exchange_name="new", exchange_type="direct"
    ),
    "register_consumer": lambda chan: chan.register_consumer(
        exchange_name="log", exchange_type="direct", callback=Inbox()
    ),
    "publish": lambda chan: chan.publish(exchange_name="log", msg=1),
    "get": lambda chan: chan.get("q", timeout=0.05),
    "delete_queue": lambda chan: chan.delete_queue("other"),
}


@pytest.mark.parametrize("what", ["channel", "connection"])
@pytest.mark.parametrize("name", CALLS)
async def test_call_on_a_closing_channel_completes_or_fails(
    cancelled: Cancelled, name: str, what: str
) -> None:
    await make_queue(cancelled.observer, "q")
    async with no_task_left():
        for answers in range(MOST_ANSWERS):
            conn = await mooq.connect(**cancelled.address)
            chan = await conn.create_channel()
            calling = await cancelled.begun(answers, CALLS[name](chan))
            is_done = calling.done()
            closing = asyncio.create_task(chan.close() if what == "channel" else conn.close())
            cancelled.faults.heal()  # takes effect only after the closing has begun
            outcome = (await asyncio.gather(calling, closing, return_exceptions=True))[0]
            if isinstance(outcome, Exception):
                assert isinstance(outcome, mooq.BrokerConnectionError | mooq.ConsumeTimeout)
            if what == "channel":
                chan = await conn.create_channel()
                await chan.publish(exchange_name="log", msg="of use")
                await chan.get("q", timeout=LONGEST_WAIT)
            await conn.close()
            if is_done:
                return
    raise AssertionError("the call still waits")
