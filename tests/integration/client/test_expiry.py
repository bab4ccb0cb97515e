"""Expiry of messages and queues, also across event loops."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import mooq
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.steps import bodies_of, processing, until


async def collect_dead_letters(channel: mooq.Channel) -> Inbox:
    """Consume the dead letters of exchange "dead" with an inbox."""
    inbox = Inbox()
    await channel.register_consumer(
        "dead", exchange_name="dead", exchange_type="fanout", callback=inbox
    )
    return inbox


@pytest.mark.parametrize("limited", ["message", "queue"])
async def test_expired_message_is_dead_lettered(
    conn: mooq.Connection, chan: mooq.Channel, limited: str
) -> None:
    dead = await collect_dead_letters(chan)
    ttl = 0.05 if limited == "queue" else None
    arguments = mooq.queue_arguments(message_ttl=ttl, dead_letter_exchange="dead")
    await chan.declare_queue("q", arguments=arguments)
    async with processing(conn):
        await chan.publish(
            exchange_name="",
            routing_key="q",
            msg="m",
            expiration=0.05 if limited == "message" else None,
        )
        assert await dead.has(1) == ["m"]
    assert dead.messages[0]["headers"]["x-death"][0]["reason"] == "expired"
    assert await bodies_of(chan, "q") == []


async def test_message_is_available_until_it_expires(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await chan.declare_queue("q", arguments=mooq.queue_arguments(message_ttl=3600))
    await chan.publish(exchange_name="", routing_key="q", msg="m")
    assert await bodies_of(chan, "q") == ["m"]


TEN_YEARS = 315_360_000  # seconds: the longest time that RabbitMQ takes


async def test_ten_years_are_not_too_long(chan: mooq.Channel) -> None:
    arguments = mooq.queue_arguments(message_ttl=TEN_YEARS, expires=TEN_YEARS)
    await chan.declare_queue("q", arguments=arguments)
    await chan.publish(exchange_name="", routing_key="q", msg="m", expiration=TEN_YEARS)
    message = await chan.get("q")
    assert message is not None
    assert (message["msg"], message["expiration"]) == ("m", TEN_YEARS)


@pytest.mark.parametrize(
    ("name", "option"), [("x-message-ttl", "message_ttl"), ("x-expires", "expires")]
)
async def test_more_than_ten_years_are_refused(chan: mooq.Channel, name: str, option: str) -> None:
    milliseconds = TEN_YEARS * 1000 + 1
    given: Any = {option: milliseconds / 1000}
    with pytest.raises(mooq.BadQueue, match=f"'{name}'.*value_too_large,{milliseconds}"):
        await chan.declare_queue("q", arguments={name: milliseconds})
    text = f"{option} must be between 0 and {TEN_YEARS} seconds, not {milliseconds / 1000}"
    with pytest.raises(ValueError, match=text):
        mooq.queue_arguments(**given)


async def test_expiration_over_ten_years_is_refused(chan: mooq.Channel) -> None:
    text = f"expiration must be between 0 and {TEN_YEARS} seconds, not {TEN_YEARS + 1}"
    with pytest.raises(ValueError, match=text):
        await chan.publish(exchange_name="", routing_key="q", msg="m", expiration=TEN_YEARS + 1)


async def test_unused_queue_is_deleted(chan: mooq.Channel) -> None:
    await chan.declare_queue("q", arguments=mooq.queue_arguments(expires=0.05))

    async def is_gone() -> bool:
        try:
            await chan.bind_queue("q", "amq.direct")
        except mooq.ConsumerQueueNotFound:
            return True
        return False

    await until(is_gone, "the queue to expire")


def test_expiry_continues_in_the_next_event_loop() -> None:
    broker = mooq.InMemoryBroker(host="short-lived", port=1)

    async def publish() -> None:
        await broker.run()
        async with await mooq.connect("short-lived", 1, "in_memory") as conn:
            chan = await conn.create_channel()
            await chan.declare_exchange("dead", "fanout")
            await chan.declare_queue("dead")
            await chan.bind_queue("dead", "dead")
            arguments = mooq.queue_arguments(message_ttl=0.05, dead_letter_exchange="dead")
            await chan.declare_queue("q", arguments=arguments)
            await chan.publish(exchange_name="", routing_key="q", msg="m")

    async def take() -> object:
        async with await mooq.connect("short-lived", 1, "in_memory") as conn:
            chan = await conn.create_channel()
            message = await chan.get("dead", timeout=LONGEST_WAIT)
            await broker.close()
            return message["msg"]

    asyncio.run(publish())
    assert asyncio.run(take()) == "m"


async def test_expiry_runs_in_the_loop_of_another_thread() -> None:
    where = ("of-two-threads", 1, "in_memory")
    async with mooq.InMemoryBroker(host=where[0], port=1), await mooq.connect(*where) as conn:
        dead = await collect_dead_letters(await conn.create_channel())

        async def publish() -> None:
            async with await mooq.connect(*where) as other:
                chan = await other.create_channel()
                arguments = mooq.queue_arguments(message_ttl=0.1, dead_letter_exchange="dead")
                await chan.declare_queue("q", arguments=arguments)
                await chan.publish(exchange_name="", routing_key="q", msg="m")

        thread = threading.Thread(target=asyncio.run, args=(publish(),))
        thread.start()
        await asyncio.to_thread(thread.join)
        async with await mooq.connect(*where), processing(conn):
            assert await dead.has(1) == ["m"]
