"""Redelivery of every message: each one is delivered twice."""

from __future__ import annotations

from collections import Counter

import pytest

import mooq
from mooq.testing.broker import Broker
from mooq.testing.redelivering import redelivering_everything
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT, FailingInbox, Inbox
from tests.integration.inner_run import AUTO, Run, run
from tests.integration.steps import consume, cycles_until, make_queue, publish_each

__all__ = ["run"]

twice = pytest.mark.mooq_redeliver


async def register(chan: mooq.Channel, inbox: Inbox, prefetch_count: int = 100) -> None:
    await chan.register_consumer(
        "q",
        exchange_name="log",
        exchange_type="direct",
        callback=inbox,
        prefetch_count=prefetch_count,
    )


def seen(inbox: Inbox) -> list[tuple[object, bool]]:
    return [(message["msg"], message["redelivered"]) for message in inbox.messages]


@twice
@pytest.mark.parametrize("prefetch_count", [1, 100])
async def test_each_message_is_delivered_twice(
    mooq_broker: Broker, mooq_channel: mooq.Channel, prefetch_count: int
) -> None:
    inbox = Inbox()
    await register(mooq_channel, inbox, prefetch_count)
    await publish_each(mooq_channel, range(10))

    await mooq_broker.idle()

    assert Counter(seen(inbox)) == Counter(
        (number, redelivered) for number in range(10) for redelivered in (False, True)
    )
    assert [body for body, redelivered in seen(inbox) if not redelivered] == list(range(10))
    ids = Counter(message["message_id"] for message in inbox.messages)
    assert set(ids.values()) == {2}  # a service can detect repeats by the id
    assert len(mooq_broker.recorded.acknowledged) == 20


@twice
async def test_repeat_precedes_the_next_with_prefetch_one(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    inbox = Inbox()
    await register(mooq_channel, inbox, prefetch_count=1)
    await publish_each(mooq_channel, range(3))

    await mooq_broker.idle()

    assert seen(inbox) == [(n, is_repeat) for n in range(3) for is_repeat in (False, True)]


@twice
@pytest.mark.mooq_allow_failures
async def test_failed_message_is_not_repeated_again(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    inbox = FailingInbox("once", times=1)
    await register(mooq_channel, inbox, prefetch_count=1)
    await mooq_channel.publish(exchange_name="log", msg="once")

    await mooq_broker.idle()

    assert seen(inbox) == [("once", False), ("once", True)]
    assert mooq_broker.recorded.requeued.msgs == ["once"]


@twice
@pytest.mark.mooq_allow_failures
async def test_failure_on_the_repeat_rejects_the_message(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    async def once(message: mooq.IncomingMessage) -> None:
        if message["redelivered"]:
            raise RuntimeError("not idempotent")

    await consume(mooq_channel, once)
    await mooq_channel.publish(exchange_name="log", msg="m")

    await mooq_broker.idle()

    assert mooq_broker.recorded.rejected.msgs == ["m"]


@twice
async def test_repeat_may_go_to_another_consumer(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    one, two = Inbox(), Inbox()
    await register(mooq_channel, one)
    await register(mooq_channel, two)
    await mooq_channel.publish(exchange_name="log", msg="m")

    await mooq_broker.idle()

    assert seen(one) == [("m", False)]
    assert seen(two) == [("m", True)]


@twice
async def test_messages_taken_by_get_are_not_repeated(mooq_channel: mooq.Channel) -> None:
    async with await unconsumed(mooq_channel) as chan:
        await chan.publish(exchange_name="log", msg=1)
        await chan.publish(exchange_name="log", msg=2)
        assert (await chan.get("q"))["msg"] == 1
        assert (await chan.get("q", timeout=LONGEST_WAIT))["msg"] == 2
        with pytest.raises(mooq.NothingToConsume):
            await chan.get("q")


async def unconsumed(channel: mooq.Channel) -> mooq.Channel:
    await register(channel, Inbox())
    await channel.stop_consuming()
    return channel


@pytest.mark.mooq_redeliver(False)
async def test_mark_can_disable_redelivery(mooq_broker: Broker, mooq_channel: mooq.Channel) -> None:
    inbox = Inbox()
    await register(mooq_channel, inbox)
    await mooq_channel.publish(exchange_name="log", msg="m")

    await mooq_broker.idle()

    assert seen(inbox) == [("m", False)]


async def test_redelivering_works_without_pytest(broker_address: BrokerAddress) -> None:
    with redelivering_everything(broker_address["virtual_host"]) as recorded:
        async with await mooq.connect(**broker_address) as conn:
            chan, inbox = await conn.create_channel(), Inbox()
            await register(chan, inbox)
            await chan.publish(exchange_name="log", msg="m")
            await cycles_until(conn, lambda: len(inbox.messages) > 1, "the repeat")
            assert seen(inbox) == [("m", False), ("m", True)]
            assert recorded.delivered.msgs == ["m", "m"]
    async with await mooq.connect(**broker_address) as conn:
        await make_queue(conn, "q")
        chan = await conn.create_channel()
        await chan.publish(exchange_name="log", msg="after")
        assert (await chan.get("q"))["msg"] == "after"  # redelivery has ended


SERVICE = """
    import pytest

    async def counted(broker, channel):
        messages = []

        async def count(message):
            messages.append(message["redelivered"])

        await channel.register_consumer(
            "q", exchange_name="log", exchange_type="fanout", callback=count
        )
        await channel.publish(exchange_name="log", msg=1)
        await broker.idle()
        return messages

    async def test_it(mooq_broker, mooq_channel):
        assert await counted(mooq_broker, mooq_channel) == [False, True]

    @pytest.mark.mooq_redeliver(False)
    async def test_mark_disables_it(mooq_broker, mooq_channel):
        assert await counted(mooq_broker, mooq_channel) == [False]
"""


def test_option_enables_redelivery(run: Run) -> None:
    status, printed = run(SERVICE, "--mooq-backend=in_memory", "--mooq-redeliver", "--mooq-strict")
    assert status == 0, printed


def test_ini_setting_enables_redelivery(run: Run) -> None:
    run.ini(*AUTO, "mooq_redeliver = true")
    status, printed = run(SERVICE, "--mooq-backend=in_memory")
    assert status == 0, printed
