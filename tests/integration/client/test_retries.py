"""Retries with back-off and the parking queue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel

import mooq
from mooq.testing.broker import Broker
from tests.integration.inbox import LONGEST_WAIT, FailingInbox, Inbox, Refusal
from tests.integration.steps import bodies_of, logged, processing

pytestmark = pytest.mark.mooq_allow_failures

QUICK = mooq.Retry(attempts=3, first_wait=0.02, longest_wait=0.05)


async def retry(
    channel: mooq.Channel, callback: Inbox, policy: mooq.Retry = QUICK, **arguments: Any
) -> None:
    await channel.register_consumer(
        "q",
        ["jobs.#"],
        exchange_name="work",
        exchange_type="topic",
        callback=callback,
        retry=policy,
        **arguments,
    )


async def test_failed_message_is_retried_until_it_succeeds(
    conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = FailingInbox("m", times=2)
    await retry(chan, inbox)
    sent_at = datetime(2026, 1, 2, tzinfo=UTC)
    async with processing(conn):
        await chan.publish(
            exchange_name="work",
            routing_key="jobs.one",
            msg="m",
            message_id="id-1",
            headers={"tenant": "acme", "nested": {"n": [1, 2.5]}},
            correlation_id="c",
            reply_to="answers",
            priority=3,
            timestamp=sent_at,
            user_id="guest",
            expiration=60,
        )
        await inbox.has(3)
        await chan.close()
    first, *further = inbox.messages
    assert first["headers"] == {"tenant": "acme", "nested": {"n": [1, 2.5]}}
    for attempt, message in enumerate(further, 2):
        assert message["headers"].pop("x-mooq-attempt") == attempt
        assert message["expiration"] is None
        assert {**message, "expiration": 60} == first
    other = await conn.create_channel()
    assert await bodies_of(other, "q") == []
    assert await bodies_of(other, "q.parked") == []
    assert [line.partition("failed in ")[2] for line in logged(caplog)] == [
        "attempt 1 of 3; message id-1 (exchange 'work', routing key 'jobs.one', queue 'q', 3 bytes)"
        " is tried again in 0.02 s",
        "attempt 2 of 3; message id-1 (exchange 'work', routing key 'jobs.one', queue 'q', 3 bytes)"
        " is tried again in 0.04 s",
    ]


async def test_message_is_parked_after_its_last_attempt(
    conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = FailingInbox("m", times=3)
    await retry(chan, inbox)
    async with processing(conn):
        await chan.publish(
            exchange_name="work", routing_key="jobs.one", msg="m", headers={"tenant": "acme"}
        )
        parked = await (await conn.create_channel()).get("q.parked", timeout=LONGEST_WAIT)
        await chan.close()  # the message may be parked before its callback is done
    assert len(inbox.messages) == 3
    assert parked["msg"] == "m"
    assert parked["message_id"] == inbox.messages[0]["message_id"]
    assert parked["headers"] == {
        "tenant": "acme",
        "x-mooq-parked": {
            "queue": "q",
            "exchange": "work",
            "routing-key": "jobs.one",
            "attempts": 3,
            "error": "Refusal",
        },
    }
    assert logged(caplog)[-1].endswith("is parked in queue 'q.parked'")


async def test_retried_copies_ignore_the_cc_header(
    mooq_broker: Broker, conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    inbox = FailingInbox("m", times=3)
    await retry(chan, inbox, mooq.Retry(attempts=2, first_wait=0.02, parking_queue="broken"))
    await chan.declare_queue("copies")
    exchange = await peer.get_exchange("work")
    await exchange.publish(Message(b'"m"', headers={"CC": ["copies"]}), routing_key="jobs.one")
    async with processing(conn):
        parked = await (await conn.create_channel()).get("broken", timeout=LONGEST_WAIT)
    assert await bodies_of(chan, "copies") == []
    assert parked["headers"]["x-mooq-parked"]["CC"] == ["copies"]
    assert [message["headers"].get("CC") for message in inbox.messages] == [["copies"]] * 2


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
async def test_retry_queues_have_the_consumed_queue_type(
    conn: mooq.Connection, chan: mooq.Channel, queue_type: Any
) -> None:
    inbox = FailingInbox("m", times=3)
    await retry(chan, inbox, queue_arguments=mooq.queue_arguments(queue_type=queue_type))
    for name in ("q.retry.20", "q.retry.40", "q.parked"):
        other = {"classic": "quorum", "quorum": "classic"}[queue_type]
        with pytest.raises(mooq.BadQueue, match="exists already, but not like this"):
            await chan.declare_queue(name, arguments={"x-queue-type": other})
    async with processing(conn):
        await chan.publish(exchange_name="work", routing_key="jobs", msg="m")
        parked = await (await conn.create_channel()).get("q.parked", timeout=LONGEST_WAIT)
    assert parked["headers"]["x-mooq-parked"]["attempts"] == 3


async def test_attempts_do_not_count_towards_delivery_limit(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = FailingInbox("m", times=3)
    arguments = mooq.queue_arguments(queue_type="quorum", delivery_limit=1)
    await retry(chan, inbox, mooq.Retry(attempts=4, first_wait=0.01), queue_arguments=arguments)
    async with processing(conn):
        await chan.publish(exchange_name="work", routing_key="jobs", msg="m")
        assert await inbox.has(4) == ["m"] * 4


async def test_deleted_retry_queues_are_declared_again(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = FailingInbox("m", times=2)
    await retry(chan, inbox)
    await chan.delete_queue("q.retry.20")
    async with processing(conn):
        await chan.publish(exchange_name="work", routing_key="jobs", msg="m")
        assert await inbox.has(3) == ["m"] * 3


async def test_consume_supports_retries(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = FailingInbox("m", times=1)
    await chan.declare_queue("q", arguments=mooq.queue_arguments(max_priority=5))
    await chan.consume("q", inbox, retry=QUICK)
    async with processing(conn):
        await chan.publish(exchange_name="", routing_key="q", msg="m")
        assert await inbox.has(2) == ["m", "m"]


async def test_manual_consumer_supports_retries(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = Inbox()

    async def callback(message: mooq.IncomingMessage, delivery: mooq.ManualDelivery) -> None:
        inbox.keep(message)
        if len(inbox.messages) < 2:
            raise Refusal
        await delivery.acknowledge()

    await chan.register_consumer(
        "q",
        exchange_name="log",
        exchange_type="direct",
        callback=callback,
        manual=True,
        retry=QUICK,
    )
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        await inbox.has(2)
        await chan.close()
    assert [message["headers"].get("x-mooq-attempt") for message in inbox.messages] == [None, 2]
    assert await bodies_of(await conn.create_channel(), "q") == []


async def test_retry_is_recorded_as_requeued(
    mooq_broker: Broker,
) -> None:
    conn = await mooq_broker.connect()
    chan = await conn.create_channel()
    inbox = FailingInbox("m", times=2)
    await retry(chan, inbox, mooq.Retry(attempts=2, first_wait=0.01))
    async with processing(conn):
        await chan.publish(exchange_name="work", routing_key="jobs", msg="m")
        other = await conn.create_channel()
        assert (await other.get("q.parked", timeout=LONGEST_WAIT))["msg"] == "m"
        await chan.close()  # the message may be parked before its callback is done
    assert mooq_broker.recorded.requeued.msgs == ["m"]
    assert mooq_broker.recorded.rejected.msgs == ["m"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"attempts": 0}, "^attempts must be between 1 and 100, not 0$"),
        ({"attempts": 101}, "^attempts must be between 1 and 100, not 101$"),
        ({"attempts": 2.0}, "^attempts must be an int, not float$"),
        ({"first_wait": 0}, "^first_wait must be a positive number of seconds, not 0$"),
        ({"first_wait": 4e8, "longest_wait": 4e8}, "^first_wait must be between 0 and 315360000"),
        ({"first_wait": 2, "longest_wait": 1}, "^first_wait, 2 s, must not be longer than"),
        ({"growth": 0.5}, "^growth must be a number of at least 1, not 0.5$"),
        ({"growth": float("nan")}, "^growth must be a number of at least 1, not nan$"),
        ({"growth": "2"}, "^growth must be a number, not str$"),
        ({"parking_queue": "amq.mine"}, "^queue name 'amq.mine' begins with 'amq.'"),
    ],
)
def test_invalid_retry_policy_is_refused(arguments: dict[str, Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError, mooq.BadQueue), match=error):
        mooq.Retry(**arguments)


async def test_retry_needs_a_policy_and_a_queue_name(
    chan: mooq.Channel,
) -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match=r"^retry must be a mooq\.Retry, not int$"):
        await retry(chan, Inbox(), wrong)
    with pytest.raises(ValueError, match=r"^retry needs a queue_name: failed messages return"):
        await chan.register_consumer(
            exchange_name="log", exchange_type="fanout", callback=Inbox(), retry=QUICK
        )
    with pytest.raises(mooq.BadQueue, match=r"has 257 characters; at most 255 are allowed$"):
        await chan.consume("q" * 250, Inbox(), retry=QUICK)
