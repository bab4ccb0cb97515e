"""Recovery from failures of the broker: restarts, kills and cut connections.

In memory every scenario has its own broker. On RabbitMQ all scenarios share one restart, since it
takes seconds; they use different names of exchanges and queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import mooq
from mooq.testing.faults import faults_before
from tests.conftest import BrokerAddress
from tests.integration.foreign import RawMessage, foreigner
from tests.integration.inbox import LONGEST_WAIT, FailingInbox, HeldInbox, Inbox
from tests.integration.restarting import (
    CutOffInMemory,
    CutOffRabbitMQ,
    KillingLauncher,
    RestartedInMemory,
    Unsteady,
    in_memory,
    on_rabbitmq,
)
from tests.integration.steps import (
    bodies_of,
    consume,
    make_queue,
    processing,
    publish_each,
    publish_surely,
    until,
)
from tests.managed_docker import ManagedDockerLauncher

LONGEST_RESTART = 200.0  # seconds, including the rest of the test

Scenario = Callable[[Unsteady], Coroutine[Any, Any, None]]


async def process_events_restores_consumers_and_producers(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        chan, other = await conn.create_channel(), await conn.create_channel()
        inbox, more = Inbox(), Inbox()
        await chan.register_consumer(
            "back", ["a", "b"], exchange_name="back", exchange_type="direct", callback=inbox
        )
        await other.register_consumer(
            "back more", "#", exchange_name="back topics", exchange_type="topic", callback=more
        )
        async with processing(conn):
            await chan.publish(exchange_name="back", msg="before", routing_key="a")
            await inbox.has(1)
            await broker.fail()
            await publish_surely(chan, exchange_name="back", msg="after", routing_key="b")
            await publish_surely(other, exchange_name="back topics", msg="too", routing_key="x.y")
            # The acknowledgement may be lost with the connection; then the message is redelivered.
            await inbox.has_that(lambda: set(inbox.bodies) == {"before", "after"}, "both")
            assert await more.has(1) == ["too"]


async def server_named_queue_gets_a_new_name(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        chan, inbox = await conn.create_channel(), Inbox()
        name = await chan.register_consumer(
            exchange_name="news", exchange_type="fanout", callback=inbox
        )
        async with processing(conn):
            await broker.fail()
            # Not found, or still locked until RabbitMQ has processed the end of the old connection.
            with pytest.raises(mooq.BadQueue):
                await chan.get(name)
            await publish_surely(chan, exchange_name="news", msg="news", mandatory=True)
            assert await inbox.has(1) == ["news"]


async def named_queues_keep_their_messages_in_order(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        await make_queue(conn, "kept", exchange_name="kept")
        chan = await conn.create_channel()
        async with foreigner(broker.address) as foreign:
            for number in range(5):
                await chan.publish(exchange_name="kept", msg=number)
                await foreign.publish(RawMessage(b'"transient"', is_persistent=False), "kept")
        await broker.fail()
        kept = await bodies_of(chan, "kept")
        assert [body for body in kept if body != "transient"] == [0, 1, 2, 3, 4]
        assert ("transient" in kept) is broker.keeps_transient


async def unfinished_messages_are_redelivered(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        chan, inbox = await conn.create_channel(), HeldInbox()
        await chan.register_consumer(
            "held", exchange_name="held", exchange_type="direct", callback=inbox, prefetch_count=3
        )
        async with processing(conn):
            await publish_each(chan, range(4), exchange_name="held")
            await inbox.has(3)
            await broker.fail()
            assert (await inbox.has(6))[:6] == [0, 1, 2, 0, 1, 2]
            inbox.open()
            await inbox.has(7)
        assert [message["redelivered"] for message in inbox.messages[3:6]] == [True] * 3
        assert inbox.bodies[6] == 3
        await chan.close()
        assert await bodies_of(await conn.create_channel(), "held") == []


async def unprocessed_messages_are_redelivered(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        chan, inbox = await conn.create_channel(), Inbox()
        await chan.register_consumer(
            "late", exchange_name="late", exchange_type="direct", callback=inbox
        )
        await publish_each(chan, range(3), exchange_name="late")
        await broker.fail()
        async with processing(conn):
            assert await inbox.has(3) == [0, 1, 2]
        await chan.close()
        assert await bodies_of(await conn.create_channel(), "late") == []


async def confirmed_messages_are_kept(broker: Unsteady) -> None:
    confirmed = []
    async with (
        await mooq.connect(**broker.address) as conn,
        await mooq.connect(**broker.address) as reader,
    ):
        await make_queue(conn, "all", exchange_name="all")
        restarting = asyncio.create_task(broker.fail())

        async def publish(chan: mooq.Channel, name: str) -> None:
            number = left = 20
            while left:
                number += 1
                try:
                    await chan.publish(exchange_name="all", msg=[name, number])
                except mooq.PublishUnconfirmed:
                    continue  # it may or may not have arrived
                confirmed.append([name, number])
                left -= restarting.done()

        async with asyncio.TaskGroup() as publishing:
            for name in "abcd":
                publishing.create_task(publish(await conn.create_channel(), name))
        await restarting
        arrived = await bodies_of(await reader.create_channel(), "all")
    assert [body for body in confirmed if body not in arrived] == []
    for name in "abcd":
        numbers = [number for sender, number in arrived if sender == name]
        assert numbers == sorted(numbers)


async def unused_channel_still_works(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        idle = await conn.create_channel()
        await broker.fail()
        await make_queue(conn, "idle", exchange_name="idle")
        await publish_surely(idle, exchange_name="idle", msg=1)
        assert (await idle.get("idle", timeout=LONGEST_WAIT))["msg"] == 1


async def several_calls_wait_for_the_same_connection(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        chan = await conn.create_channel()
        await make_queue(conn, "same", exchange_name="same")
        await broker.fail()
        new, *_ = await asyncio.gather(
            conn.create_channel(),
            chan.register_producer(exchange_name="same too", exchange_type="fanout"),
            publish_surely(chan, exchange_name="same", msg=1),
            conn.process_events(num_cycles=1),
            chan.register_consumer(
                exchange_name="same too", exchange_type="fanout", callback=Inbox()
            ),
        )
        assert await bodies_of(new, "same") == [1]


async def waiting_get_does_not_affect_other_consumers(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        chan, inbox = await conn.create_channel(), Inbox()
        await make_queue(conn, "awaited", "awaited", exchange_name="get")
        getting = asyncio.create_task(chan.get("awaited", timeout=LONGEST_RESTART))
        await chan.register_consumer(
            "beside", "beside", exchange_name="get", exchange_type="direct", callback=inbox
        )
        async with processing(conn):
            await broker.fail()
            await publish_surely(chan, exchange_name="get", msg="awaited", routing_key="awaited")
            assert (await getting)["msg"] == "awaited"
            for number in range(4):
                await chan.publish(exchange_name="get", msg=number, routing_key="beside")
            assert sorted(await inbox.has(4)) == [0, 1, 2, 3]


async def closed_channels_are_not_restored(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        chan, closed = await conn.create_channel(), await conn.create_channel()
        inbox = Inbox()
        await closed.register_consumer(
            "closed", exchange_name="closed", exchange_type="direct", callback=inbox
        )
        deleted = await conn.create_channel()
        await deleted.register_consumer(
            "deleted", exchange_name="closed", exchange_type="direct", callback=inbox
        )
        await closed.close()
        async with processing(conn):
            await chan.delete_queue("deleted")
            (subscription,) = deleted._subscriptions

            async def is_told() -> bool:
                await deleted.flush()
                return subscription.tag is None

            await until(is_told, "the consumer to be told that its queue is gone")
            await broker.fail()
            await publish_surely(chan, exchange_name="closed", msg=1)
            assert (await chan.get("closed"))["msg"] == 1
        # The queue itself may exist again: a killed RabbitMQ may not have written the deletion to
        # disk and then restores it with its binding.
        assert inbox.bodies == []


async def late_callback_does_not_settle_a_redelivery(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        chan, inbox = await conn.create_channel(), HeldInbox()
        await chan.register_consumer(
            "overdue", exchange_name="overdue", exchange_type="direct", callback=inbox
        )
        async with processing(conn):
            await chan.publish(exchange_name="overdue", msg="m")
            await inbox.has(1)
            await broker.fail()
            await inbox.has(2)
            inbox.let_go_first("m")
            await inbox.has_finished(1)
            await chan.close(timeout=0.01)
        assert (await (await conn.create_channel()).get("overdue", LONGEST_WAIT))["msg"] == "m"


async def retried_and_parked_messages_are_kept(broker: Unsteady) -> None:
    async with await mooq.connect(**broker.address) as conn:
        inbox = FailingInbox("parked", "waiting", times=1)

        async def consume(attempts: int) -> mooq.Channel:
            chan = await conn.create_channel()
            await chan.register_consumer(
                "retried",
                exchange_name="retried",
                exchange_type="direct",
                callback=inbox,
                retry=mooq.Retry(attempts=attempts, first_wait=2),
            )
            return chan

        chan = await consume(1)
        async with processing(conn):
            await chan.publish(exchange_name="retried", msg="parked")
            await inbox.has(1)
            await chan.close()
        chan = await consume(2)
        async with processing(conn):
            await chan.publish(exchange_name="retried", msg="waiting")
            await inbox.has(2)
            await chan.close()
        await broker.fail()
        chan = await consume(2)
        async with processing(conn):
            assert await inbox.has(3) == ["parked", "waiting", "waiting"]
        assert (await chan.get("retried.parked"))["msg"] == "parked"


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        process_events_restores_consumers_and_producers,
        server_named_queue_gets_a_new_name,
        named_queues_keep_their_messages_in_order,
        unfinished_messages_are_redelivered,
        unprocessed_messages_are_redelivered,
        confirmed_messages_are_kept,
        unused_channel_still_works,
        several_calls_wait_for_the_same_connection,
        waiting_get_does_not_affect_other_consumers,
        closed_channels_are_not_restored,
        late_callback_does_not_settle_a_redelivery,
        retried_and_parked_messages_are_kept,
    )
}


@pytest.mark.parametrize("kind", [RestartedInMemory, CutOffInMemory])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_recovery_from_a_failed_in_memory_broker(
    name: str, kind: type[RestartedInMemory]
) -> None:
    async with in_memory(kind) as broker, asyncio.timeout(LONGEST_WAIT):
        await SCENARIOS[name](broker)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_recovery_from_cut_rabbitmq_connections(
    name: str, rabbit_address: BrokerAddress
) -> None:
    async with faults_before(**rabbit_address) as faults, asyncio.timeout(LONGEST_RESTART):
        await SCENARIOS[name](CutOffRabbitMQ(faults))


@pytest.mark.rabbit
@pytest.mark.parametrize("launcher_class", [ManagedDockerLauncher, KillingLauncher])
async def test_recovery_from_a_rabbitmq_restart(
    launcher_class: type[ManagedDockerLauncher],
) -> None:
    async with (
        on_rabbitmq(launcher_class, len(SCENARIOS)) as broker,
        asyncio.timeout(LONGEST_RESTART),
        asyncio.TaskGroup() as together,
    ):
        for scenario in SCENARIOS.values():
            together.create_task(scenario(broker))


async def test_publish_waits_for_a_broker_to_return() -> None:
    broker = mooq.InMemoryBroker(host="absent", port=1)
    await broker.run()
    async with await mooq.connect(host="absent", port=1, broker="in_memory") as conn:
        chan, inbox = await conn.create_channel(), Inbox()
        await consume(chan, inbox)
        await broker.close()
        with pytest.raises(mooq.BrokerConnectionError) as caught:
            await chan.publish(exchange_name="log", msg="given up", timeout=0.05)
        assert str(caught.value) == (
            "the connection to absent:1 was lost and did not come back within 0.05 s; is the "
            "broker running?"
        )
        assert not isinstance(caught.value, mooq.PublishUnconfirmed)
        publishing = asyncio.create_task(chan.publish(exchange_name="log", msg="waited"))
        async with broker, processing(conn):
            await publishing
            assert await inbox.has(1) == ["waited"]


async def test_closing_ends_a_reconnection_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = mooq.InMemoryBroker(host="absent", port=1)
    await broker.run()
    far_away = mooq.Recovery(first_wait=1e9, longest_wait=1e9)
    conn = await mooq.connect(host="absent", port=1, broker="in_memory", recovery=far_away)
    chan = await conn.create_channel()
    await chan.register_producer(exchange_name="log", exchange_type="direct")
    processes = [
        asyncio.create_task(conn.process_events()),
        asyncio.create_task(conn.process_events(num_cycles=100)),
    ]
    publishing = asyncio.create_task(chan.publish(exchange_name="log", msg=1, timeout=LONGEST_WAIT))
    await broker.close()
    with pytest.raises(mooq.BrokerConnectionError):
        await chan.publish(exchange_name="log", msg=2, timeout=0.01)
    async with asyncio.timeout(LONGEST_WAIT):
        await conn.close()
        assert await asyncio.gather(*processes) == [None, None]
        outcome: Any = (await asyncio.gather(publishing, return_exceptions=True))[0]
    assert outcome is None or isinstance(outcome, mooq.BrokerConnectionError)
    assert "the connection to absent:1 was lost; reconnecting" in caplog.messages


async def test_create_channel_waits_for_a_broker_to_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = mooq.InMemoryBroker(host="absent", port=1)
    await broker.run()
    async with await mooq.connect(host="absent", port=1, broker="in_memory") as conn:
        await broker.close()
        creating = asyncio.create_task(conn.create_channel())
        await asyncio.sleep(0)
        async with broker:
            assert not (await creating).is_closed
        monkeypatch.setattr("mooq.client.channel.ANSWER_TIMEOUT", 0.05)
        with pytest.raises(mooq.BrokerConnectionError, match=r"did not come back within 0\.05 s"):
            await conn.create_channel()


async def test_refused_login_ends_the_reconnection() -> None:
    broker = mooq.InMemoryBroker(host="stranger", port=1)
    await broker.run()
    async with await mooq.connect(host="stranger", port=1, broker="in_memory") as conn:
        chan = await conn.create_channel()
        await chan.register_producer(exchange_name="log", exchange_type="direct")
        processing_events = asyncio.create_task(conn.process_events())
        await broker.close()
        async with mooq.InMemoryBroker(host="stranger", port=1, users={"other": "secret"}):
            with pytest.raises(mooq.BrokerConnectionError, match="it refused the login of user"):
                await chan.publish(exchange_name="log", msg=1)
            with pytest.raises(mooq.BrokerConnectionError, match="it refused the login of user"):
                await processing_events
