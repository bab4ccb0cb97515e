"""Messages whose callback fails: retry, dead-lettering, logging and errors."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import MagicMock

import pytest

import mooq
from tests.conftest import BrokerAddress
from tests.integration.foreign import foreigner
from tests.integration.inbox import LONGEST_WAIT, FailingInbox, Inbox, Refusal
from tests.integration.steps import (
    bodies_of,
    consume,
    cycles_until,
    logged,
    make_queue,
    processing,
    publish_each,
)
from tests.log_lines import LogLines

pytestmark = pytest.mark.mooq_allow_failures


async def test_failed_message_is_retried_before_later_ones(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = FailingInbox("b", times=1)
    await make_queue(conn, "q")
    await publish_each(chan, "abc")
    await consume(chan, inbox, prefetch_count=1)
    async with processing(conn):
        assert await inbox.has(4) == ["a", "b", "b", "c"]
    redelivered = [message["redelivered"] for message in inbox.messages]
    assert redelivered == [False, False, True, False]
    message_ids = [message["message_id"] for message in inbox.messages]
    assert message_ids[1] == message_ids[2]


async def test_failed_message_may_go_to_another_consumer(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    failing, other = FailingInbox("m", times=1), Inbox()
    for inbox in (failing, other):
        await consume(chan, inbox)
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        assert await other.has(1) == ["m"]
    assert failing.bodies == ["m"]
    assert other.messages[0]["redelivered"] is True


async def test_message_that_fails_twice_is_discarded(
    conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = await consume(chan, FailingInbox("top secret"))
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="top secret", message_id="id-1")
        await chan.publish(exchange_name="log", msg="next")
        await inbox.has(3)
        await chan.close()
    assert sorted(inbox.bodies) == ["next", "top secret", "top secret"]
    assert await bodies_of(await conn.create_channel(), "q") == []
    first, second = (record for record in caplog.records if record.name == "mooq.callbacks")
    what = "message id-1 (exchange 'log', routing key '', queue 'q', 12 bytes) is "
    assert first.getMessage().endswith(f"failed; {what}requeued, to be tried once more")
    assert second.getMessage().endswith(f"failed; {what}discarded")
    for record in (first, second):
        assert "FailingInbox" in record.getMessage()
        assert "top secret" not in record.getMessage()
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], Refusal)


async def test_message_that_fails_twice_is_dead_lettered(
    conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    dead = Inbox()
    await chan.register_consumer(
        "dead", "#", exchange_name="graves", exchange_type="topic", callback=dead
    )
    await chan.register_consumer(
        "q",
        "k",
        exchange_name="log",
        exchange_type="direct",
        callback=FailingInbox("m"),
        dead_letter_exchange="graves",
    )
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m", routing_key="k", headers={"mine": 1})
        await dead.has(1)
    message = dead.messages[0]
    assert message["msg"] == "m"
    assert message["routing_key"] == "k"
    assert message["exchange_name"] == "graves"
    assert message["headers"]["mine"] == 1
    death = message["headers"]["x-death"][0]
    assert (death["queue"], death["exchange"], death["reason"]) == ("q", "log", "rejected")
    assert (death["count"], death["routing-keys"]) == (1, ["k"])
    assert logged(caplog)[-1].endswith("dead-lettered to exchange 'graves'")


async def test_x_death_counts_deaths_per_queue(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = FailingInbox("m", times=4)
    await chan.register_consumer(
        "q",
        "k",
        exchange_name="log",
        exchange_type="direct",
        callback=inbox,
        dead_letter_exchange="log",  # so a dead letter is delivered again
    )
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m", routing_key="k")
        await inbox.has(5)
    deaths = [message["headers"].get("x-death", []) for message in inbox.messages]
    assert [[death["count"] for death in records] for records in deaths] == [[], [], [1], [1], [2]]
    assert {death["reason"] for records in deaths for death in records} == {"rejected"}


async def test_missing_dead_letter_exchange_is_refused(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    consumer: dict[str, Any] = {
        "queue_name": "q",
        "exchange_name": "log",
        "exchange_type": "direct",
        "callback": FailingInbox("m"),
    }
    with pytest.raises(
        mooq.ExchangeNotFound,
        match=r"^dead-letter exchange 'no-such' at .*, does not exist, so RabbitMQ would drop "
        r"messages that fail: check its name, or declare it first",
    ):
        await chan.register_consumer(**consumer, dead_letter_exchange="no-such")
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get("q")
    await chan.register_consumer(**consumer, dead_letter_exchange="log")


async def fates_in(log: LogLines, count: int) -> list[str]:
    """Wait for log lines about failed messages; return each outcome."""
    async with asyncio.timeout(LONGEST_WAIT):
        lines = [await log.lines.get() for _ in range(count)]
    return [line.rpartition(" bytes) is ")[2] for line in lines]


async def test_log_reports_a_deleted_dead_letter_exchange(
    conn: mooq.Connection,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    callback_log: LogLines,
) -> None:
    inbox = FailingInbox("m")
    await chan.register_producer(exchange_name="graves", exchange_type="fanout")
    await chan.register_consumer(
        "q",
        exchange_name="log",
        exchange_type="direct",
        callback=inbox,
        dead_letter_exchange="graves",
    )
    async with foreigner(broker_address) as foreign:
        await foreign.delete_exchange("graves")
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        await inbox.has(2)
        await chan.publish(exchange_name="log", msg="next")
        assert await inbox.has(3) == ["m", "m", "next"]
        fates = await fates_in(callback_log, 2)
    assert fates == [
        "requeued, to be tried once more",
        "dropped, since its dead-letter exchange 'graves' does not exist; declare it again",
    ]


@pytest.mark.parametrize("key", ["nobody", "*", "b'd"])
async def test_log_reports_an_unrouted_dead_letter(
    conn: mooq.Connection, chan: mooq.Channel, callback_log: LogLines, key: str
) -> None:
    inbox = FailingInbox("m", "q")
    await chan.register_consumer(
        "q",
        [key, "dead"],
        exchange_name="log",
        exchange_type="direct",
        callback=inbox,
        dead_letter_exchange="",
    )
    await make_queue(conn, "dead", "unused")
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m", routing_key=key)
        fates = await fates_in(callback_log, 2)
        await chan.publish(exchange_name="log", msg="q", routing_key="dead")
        assert (await chan.get("dead", timeout=LONGEST_WAIT))["msg"] == "q"
        fates += await fates_in(callback_log, 2)
    assert fates == [
        "requeued, to be tried once more",
        "dropped, since its dead-letter exchange is the default one, and no queue is named "
        f"{key!r}",
        "requeued, to be tried once more",
        "dead-lettered to exchange ''",
    ]


async def test_cancelled_error_in_a_callback_is_a_failure(
    conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()

    async def await_what_is_cancelled(message: mooq.IncomingMessage) -> None:
        inbox.keep(message)
        if message["msg"] == "m":
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    await consume(chan, await_what_is_cancelled)
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="m")
        await inbox.has(2)
        await chan.publish(exchange_name="log", msg="next")
        assert await inbox.has(3) == ["m", "m", "next"]
        await chan.close()
    assert [text.rpartition(" is ")[2] for text in logged(caplog)] == [
        "requeued, to be tried once more",
        "discarded",
    ]


async def test_process_events_cycle_raises_callback_error(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, FailingInbox("m", times=1))
    await chan.publish(exchange_name="log", msg="m")
    await chan.publish(exchange_name="log", msg="fine")
    with pytest.raises(Refusal, match="no to m"):
        await conn.process_events(num_cycles=1)
    await cycles_until(conn, lambda: len(inbox.messages) > 2, "the repeat")
    assert inbox.bodies == ["m", "fine", "m"]


async def test_process_events_cycle_raises_exception_group(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await consume(chan, FailingInbox("a", "b", times=1))
    await publish_each(chan, "abc")
    with pytest.raises(ExceptionGroup, match="2 callbacks failed") as caught:
        await conn.process_events(num_cycles=1)
    assert [str(error) for error in caught.value.exceptions] == ["no to a", "no to b"]


async def takes_two(one: object, two: object) -> None:
    raise AssertionError("never called")


@pytest.mark.parametrize(
    ("callback", "text"),
    [
        (None, "callback must be callable, not NoneType"),
        ("callback", "callback must be callable, not str"),
        ([print], "callback must be callable, not list"),
        (takes_two, "callback takes_two is called with one argument, .* takes .one: .object., two"),
        (lambda: None, r"callback <lambda> is called with one argument, .* takes \(\)"),
    ],
    ids=["None", "str", "list", "two arguments", "no argument"],
)
async def test_invalid_callback_is_refused_at_registration(
    conn: mooq.Connection, chan: mooq.Channel, callback: Any, text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        await consume(chan, callback)
    with pytest.raises(mooq.ConsumerQueueNotFound):
        await chan.get("q")


@pytest.mark.parametrize(
    ("callback", "text"),
    [
        (lambda _: None, r"callback <lambda> returned NoneType, which cannot be awaited"),
        (lambda _: 5, r"callback <lambda> returned int, which cannot be awaited"),
        (MagicMock(), r"callback <MagicMock .*> returned MagicMock, which cannot be awaited"),
    ],
    ids=["None", "int", "MagicMock"],
)
async def test_callback_not_returning_an_awaitable_fails(
    conn: mooq.Connection, chan: mooq.Channel, callback: Any, text: str
) -> None:
    await consume(chan, callback)
    await chan.publish(exchange_name="log", msg="m")
    for _ in range(2):
        with pytest.raises(TypeError, match=text):
            await cycles_until(conn, lambda: False, "a failure")
    await chan.close()
    assert await bodies_of(await conn.create_channel(), "q") == []
