"""The recorder: events of messages and their filters."""

from __future__ import annotations

import pytest

import mooq
from mooq.testing.broker import Broker
from mooq.testing.recorder import Event, Recorder
from tests.integration.inbox import LONGEST_WAIT, FailingInbox, HeldInbox, Inbox, Refusal
from tests.integration.steps import make_queue


async def test_every_event_of_a_message_is_recorded(
    mooq_broker: Broker, mooq_channel: mooq.Channel, mooq_recorder: Recorder
) -> None:
    await mooq_channel.register_consumer(
        "q", ["a.*"], exchange_name="e", exchange_type="topic", callback=Inbox()
    )
    await mooq_channel.publish(
        exchange_name="e", msg={"n": 1}, routing_key="a.b", headers={"h": 2}, message_id="id"
    )
    await mooq_broker.idle()

    assert sorted(record.event.value for record in mooq_recorder.all) == [
        "acknowledged",
        "delivered",
        "published",
    ]
    for record in mooq_recorder.all:
        assert record.msg == {"n": 1}
        assert record.exchange_name == "e"
        assert record.routing_key == "a.b"
        assert record.message_id == "id"
        assert record.headers == {"h": 2}
        assert record.queue_name == (None if record.event is Event.PUBLISHED else "q")
    assert repr(mooq_recorder.published[0]) == ("<published: {'n': 1} (exchange 'e', key 'a.b')>")
    assert repr(mooq_recorder.delivered[0]) == (
        "<delivered from 'q': {'n': 1} (exchange 'e', key 'a.b')>"
    )


async def test_records_are_filtered_by_exchange_and_queue(
    mooq_broker: Broker, mooq_channel: mooq.Channel, mooq_recorder: Recorder
) -> None:
    for queue, key in (("one", "k"), ("two", "k"), ("three", "l")):
        await mooq_channel.register_consumer(
            queue, key, exchange_name="e", exchange_type="direct", callback=Inbox()
        )
    await mooq_channel.publish(exchange_name="e", msg=1, routing_key="k")
    await mooq_channel.publish(exchange_name="e", msg=2, routing_key="l")
    await mooq_broker.idle()

    assert mooq_recorder.published.where(routing_key="l").msgs == [2]
    assert mooq_recorder.delivered.where(exchange_name="e", routing_key="k").msgs == [1, 1]
    assert mooq_recorder.acknowledged.where(queue_name="two").msgs == [1]
    assert not mooq_recorder.published.where(exchange_name="other")
    assert mooq_recorder.published[:1].msgs == [1]


@pytest.mark.mooq_allow_failures
async def test_failing_callback_is_recorded_with_its_error(
    mooq_broker: Broker, mooq_channel: mooq.Channel, mooq_recorder: Recorder
) -> None:
    await mooq_channel.register_consumer(
        "q", exchange_name="e", exchange_type="fanout", callback=FailingInbox("bad")
    )
    await mooq_channel.publish(exchange_name="e", msg="bad")
    await mooq_broker.idle()

    assert [
        (record.event, record.redelivered, type(record.error))
        for record in mooq_recorder.all
        if record.queue_name == "q"
    ] == [
        (Event.DELIVERED, False, type(None)),
        (Event.REQUEUED, False, Refusal),
        (Event.DELIVERED, True, type(None)),
        (Event.REJECTED, True, Refusal),
    ]
    assert mooq_recorder.requeued.msgs == mooq_recorder.rejected.msgs == ["bad"]
    assert str(mooq_recorder.rejected[0].error) == "no to bad"


async def test_unroutable_message_is_recorded(
    mooq_channel: mooq.Channel, mooq_recorder: Recorder
) -> None:
    await mooq_channel.register_producer(exchange_name="e", exchange_type="direct")

    await mooq_channel.publish(exchange_name="e", msg="dropped")
    with pytest.raises(mooq.MessageUnroutable):
        await mooq_channel.publish(exchange_name="e", msg="refused", mandatory=True)

    assert mooq_recorder.unroutable.msgs == ["dropped", "refused"]
    assert mooq_recorder.published.msgs == ["dropped"]


async def test_refused_message_is_not_recorded(
    mooq_channel: mooq.Channel, mooq_recorder: Recorder
) -> None:
    with pytest.raises(mooq.ExchangeNotFound):
        await mooq_channel.publish(exchange_name="nowhere", msg=1)

    assert mooq_recorder.all == ()


async def test_messages_taken_by_get_are_recorded(
    mooq_connection: mooq.Connection, mooq_channel: mooq.Channel, mooq_recorder: Recorder
) -> None:
    await make_queue(mooq_connection, "q", "k", exchange_name="e")
    for number in (1, 2):
        await mooq_channel.publish(exchange_name="e", msg=number, routing_key="k")
    await mooq_channel.get("q")
    await mooq_channel.get("q", timeout=LONGEST_WAIT)

    assert mooq_recorder.delivered.where(queue_name="q").msgs == [1, 2]
    assert mooq_recorder.acknowledged.where(queue_name="q").msgs == [1, 2]


async def test_messages_requeued_at_close_are_recorded(
    mooq_broker: Broker, mooq_recorder: Recorder
) -> None:
    connection = await mooq_broker.connect()
    channel = await connection.create_channel()
    await channel.register_consumer(
        "q", exchange_name="e", exchange_type="fanout", callback=HeldInbox()
    )
    await channel.publish(exchange_name="e", msg="never begun")
    await channel.flush()
    await connection.close()

    assert mooq_recorder.given_back.where(queue_name="q").msgs == ["never begun"]
    assert not mooq_recorder.acknowledged


async def test_connections_of_tested_code_are_recorded(
    mooq_broker: Broker, mooq_recorder: Recorder
) -> None:
    async with await mooq.connect(**mooq_broker.arguments) as connection:
        channel = await connection.create_channel()
        await channel.register_producer(exchange_name="e", exchange_type="fanout")
        await channel.publish(exchange_name="e", msg="mine")

    assert mooq_recorder.published.msgs == ["mine"]


async def test_recorder_can_be_cleared(mooq_channel: mooq.Channel, mooq_recorder: Recorder) -> None:
    await mooq_channel.register_producer(exchange_name="e", exchange_type="fanout")
    await mooq_channel.publish(exchange_name="e", msg="before")
    mooq_recorder.clear()
    await mooq_channel.publish(exchange_name="e", msg="after")

    assert mooq_recorder.published.msgs == ["after"]


@pytest.mark.parametrize("mooq_backend", ["rabbit"])
async def test_broker_url_has_the_test_virtual_host(mooq_broker: Broker) -> None:
    async with await mooq.connect(url=mooq_broker.url) as connection:
        channel = await connection.create_channel()
        await channel.register_producer(exchange_name="e", exchange_type="fanout")
        await channel.publish(exchange_name="e", msg="by url")

    assert mooq_broker.recorded.published.msgs == ["by url"]
