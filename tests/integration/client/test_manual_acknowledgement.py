"""Manual acknowledgement: in the callback, later or never."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import pytest

import mooq
from mooq.testing.broker import Broker
from mooq.testing.idling import NotIdle
from tests.integration.inbox import LONGEST_WAIT, Inbox, Refusal
from tests.integration.steps import bodies_of, logged, processing, until


class Held(Inbox):
    """A manual callback that keeps its deliveries unsettled."""

    def __init__(self) -> None:
        super().__init__()
        self.deliveries: list[mooq.ManualDelivery] = []

    async def __call__(  # type: ignore[override]
        self, message: mooq.IncomingMessage, delivery: mooq.ManualDelivery
    ) -> None:
        self.deliveries.append(delivery)
        self.keep(message)


async def hold(channel: mooq.Channel, callback: Any, **arguments: Any) -> Any:
    """Register a manual consumer of queue "q"; return its callback."""
    await channel.register_consumer(
        "q",
        exchange_name="log",
        exchange_type="direct",
        callback=callback,
        manual=True,
        **arguments,
    )
    return callback


async def test_manual_message_is_held_until_acknowledged(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    held = await hold(chan, Held(), prefetch_count=1)
    async with processing(conn):
        for body in ("a", "b"):
            await chan.publish(exchange_name="log", msg=body)
        assert await held.has(1) == ["a"]
        assert not held.deliveries[0].is_settled
        await held.deliveries[0].acknowledge()
        assert held.deliveries[0].is_settled
        assert await held.has(2) == ["a", "b"]
        await held.deliveries[1].acknowledge()
        await chan.close()
    assert await bodies_of(await conn.create_channel(), "q") == []


async def test_closing_a_channel_requeues_unsettled_messages(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    held = await hold(chan, Held())
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        await held.has(1)
        await chan.close()
    message = await (await conn.create_channel()).get("q", timeout=LONGEST_WAIT)
    assert (message["msg"], message["redelivered"]) == ("m", True)


async def test_requeued_message_is_redelivered(conn: mooq.Connection, chan: mooq.Channel) -> None:
    held = await hold(chan, Held())
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        await held.has(1)
        await held.deliveries[0].requeue()
        assert await held.has(2) == ["m", "m"]
        assert held.messages[1]["redelivered"]


async def test_rejected_message_is_dead_lettered(conn: mooq.Connection, chan: mooq.Channel) -> None:
    dead = Inbox()
    await chan.register_consumer(
        "dead", exchange_name="failed", exchange_type="fanout", callback=dead
    )
    held = await hold(chan, Held(), dead_letter_exchange="failed")
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        await held.has(1)
        await held.deliveries[0].reject()
        assert await dead.has(1) == ["m"]


async def test_settling_twice_is_refused(conn: mooq.Connection, chan: mooq.Channel) -> None:
    held = await hold(chan, Held())
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m", message_id="id-1")
        await held.has(1)
        await held.deliveries[0].acknowledge()
        with pytest.raises(
            mooq.MooqError,
            match=r"^message id-1 of queue 'q' at .* cannot be rejected: it was already "
            "acknowledged; settle a delivery only once$",
        ):
            await held.deliveries[0].reject()


async def test_settling_after_a_connection_loss_is_refused(
    mooq_broker: Broker, mooq_faults: object
) -> None:
    async with await mooq_broker.connect() as conn:
        chan = await conn.create_channel()
        held = await hold(chan, Held())
        async with processing(conn):
            await chan.publish(exchange_name="log", msg="m", message_id="id-1")
            await held.has(1)
            mooq_broker.faults.cut()
            await held.has(2)
            with pytest.raises(
                mooq.BrokerConnectionError,
                match=r"cannot be acknowledged: the connection or the channel was lost, and the "
                "broker delivers the message again; or the queue was deleted with it$",
            ):
                await held.deliveries[0].acknowledge()
            await held.deliveries[1].acknowledge()
        assert held.messages[1]["redelivered"]


@pytest.mark.mooq_allow_failures
async def test_failure_after_settling_is_only_logged(
    conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    began: list[tuple[object, bool]] = []

    async def callback(message: mooq.IncomingMessage, delivery: mooq.ManualDelivery) -> None:
        began.append((message["msg"], message["redelivered"]))
        if message["msg"] == "settled" or message["redelivered"]:
            await delivery.acknowledge()
        raise Refusal

    await hold(chan, callback)
    for body in ("settled", "not settled"):
        await chan.publish(exchange_name="log", msg=body)
    while len(began) < 3:
        with contextlib.suppress(Refusal, ExceptionGroup):
            await conn.process_events(num_cycles=1)
    assert sorted(began) == [("not settled", False), ("not settled", True), ("settled", False)]
    lines = logged(caplog)
    assert any("is requeued, to be tried once more" in line for line in lines)
    assert any("failed after settling its message" in line for line in lines)


async def test_idle_waits_for_unsettled_messages(mooq_broker: Broker) -> None:
    conn = await mooq_broker.connect()
    chan = await conn.create_channel()
    held = await hold(chan, Held())
    await chan.publish(exchange_name="log", msg="m")
    with pytest.raises(NotIdle, match=r"last seen: 1 message of queue 'q' not settled$"):
        await mooq_broker.idle(timeout=0.2)
    idle = asyncio.create_task(mooq_broker.idle())
    await held.deliveries[0].acknowledge()
    await idle
    assert mooq_broker.recorded.acknowledged.msgs == ["m"]


async def test_manual_callback_must_accept_the_delivery(chan: mooq.Channel) -> None:
    async def callback(message: mooq.IncomingMessage) -> None:
        logging.info("never called: %s", message)

    with pytest.raises(
        TypeError, match="is called with the message and its delivery, but takes \\(message:"
    ):
        await hold(chan, callback)


async def test_settling_after_a_queue_deletion_is_refused(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    held = await hold(chan, Held())
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        await held.has(1)
        (subscription,) = chan._subscriptions
        await chan.delete_queue("q")
        await until(lambda: subscription.tag is None, "the consumer to be told")
        with pytest.raises(mooq.BrokerConnectionError, match="or the queue was deleted with it"):
            await held.deliveries[0].reject()
