"""idle(): waiting until all messages are processed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import pytest

import mooq
from mooq.testing.broker import Broker
from mooq.testing.idling import NotIdle
from mooq.testing.lease import RunningRabbitMQ
from tests.integration.inbox import LONGEST_WAIT, FailingInbox, HeldInbox, Inbox, Refusal
from tests.integration.steps import consume, make_queue, processing, publish_each

CHAIN = 12
MANY = range(100)


async def test_idle_returns_for_an_idle_broker(mooq_broker: Broker) -> None:
    await mooq_broker.idle()


async def test_idle_waits_for_published_messages(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    inbox = await consume(mooq_channel, Inbox())
    await publish_each(mooq_channel, range(20))

    await mooq_broker.idle()

    assert inbox.bodies == list(range(20))
    assert len(mooq_broker.recorded.acknowledged) == 20


async def test_idle_waits_for_publishes_in_progress(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    inbox = await consume(mooq_channel, Inbox())
    publishing = [
        asyncio.create_task(mooq_channel.publish(exchange_name="log", msg=number))
        for number in range(20)
    ]
    await asyncio.sleep(0)  # let them begin

    await mooq_broker.idle()

    assert [task.done() for task in publishing] == [True] * 20
    assert inbox.bodies == list(range(20))


async def test_idle_waits_until_the_queue_is_empty(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    inbox = await consume(mooq_channel, Inbox(), prefetch_count=1)
    await publish_each(mooq_channel, range(20))

    await mooq_broker.idle()

    assert inbox.bodies == list(range(20))


async def pass_on(broker: Broker, number: int) -> mooq.Connection:
    """Serve a queue on a separate connection by publishing to the next queue."""
    connection = await broker.connect()
    channel = await connection.create_channel()

    async def callback(message: mooq.IncomingMessage) -> None:
        if number + 1 < CHAIN:
            await channel.publish(
                exchange_name="chain", msg=message["msg"] + 1, routing_key=f"{number + 1}"
            )

    await channel.register_consumer(
        f"q{number}",
        f"{number}",
        exchange_name="chain",
        exchange_type="direct",
        callback=callback,
    )
    return connection


@pytest.mark.parametrize("is_processing", [True, False])
async def test_idle_follows_a_chain_of_services(
    mooq_broker: Broker, mooq_channel: mooq.Channel, *, is_processing: bool
) -> None:
    services = [await pass_on(mooq_broker, number) for number in range(CHAIN)]
    async with processing(*services) if is_processing else nullcontext():
        await mooq_channel.publish(exchange_name="chain", msg=0, routing_key="0")

        await mooq_broker.idle()

    assert mooq_broker.recorded.delivered.msgs == list(range(CHAIN))
    # A published message may be processed before the callback's own message is acknowledged.
    assert sorted(mooq_broker.recorded.acknowledged.msgs) == list(range(CHAIN))


@pytest.mark.mooq_allow_failures
@pytest.mark.parametrize("prefetch_count", [1, 3, 100])
async def test_idle_waits_for_dead_letters(mooq_broker: Broker, prefetch_count: int) -> None:
    channels = [await (await mooq_broker.connect()).create_channel() for _ in range(3)]
    buried = Inbox()
    # Each message is rejected in two queues first; the channels are probed in this order.
    for channel, queue, dead_letter_exchange, callback in zip(
        channels,
        ("graves", "second", "first"),
        (None, "graves", "second"),
        (buried, FailingInbox(*MANY), FailingInbox(*MANY)),
        strict=True,
    ):
        await channel.register_consumer(
            queue,
            exchange_name=queue,
            exchange_type="fanout",
            callback=callback,
            dead_letter_exchange=dead_letter_exchange,
            prefetch_count=prefetch_count,
        )
    await asyncio.gather(
        *(channels[0].publish(exchange_name="first", msg=number) for number in MANY)
    )

    await mooq_broker.idle(timeout=LONGEST_WAIT)

    assert sorted(buried.bodies) == list(MANY)


@pytest.mark.mooq_allow_failures
@pytest.mark.parametrize("mooq_backend", ["rabbit"])
async def test_idle_waits_for_a_busy_rabbitmq_queue(
    mooq_broker: Broker, mooq_channel: mooq.Channel, mooq_rabbitmq: RunningRabbitMQ
) -> None:
    await consume(mooq_channel, FailingInbox(*MANY), prefetch_count=len(MANY))
    await asyncio.gather(
        *(mooq_channel.publish(exchange_name="log", msg=number) for number in MANY)
    )
    await mooq_channel.flush()

    await let_queue_answer_questions_only(mooq_rabbitmq, mooq_broker.virtual_host, "q", longest=10)

    await mooq_broker.idle(timeout=LONGEST_WAIT)

    assert sorted(mooq_broker.recorded.rejected.msgs) == list(MANY)


@pytest.mark.mooq_allow_failures
@pytest.mark.parametrize("mooq_backend", ["rabbit"])
async def test_idle_repeats_an_unanswered_probe(
    mooq_broker: Broker,
    mooq_channel: mooq.Channel,
    mooq_rabbitmq: RunningRabbitMQ,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inbox = await consume(mooq_channel, FailingInbox("m", times=1))
    await mooq_channel.publish(exchange_name="log", msg="m")
    await mooq_channel.flush()
    await let_queue_answer_questions_only(
        mooq_rabbitmq, mooq_broker.virtual_host, "q", longest=3, is_ended_by_get=False
    )
    monkeypatch.setattr("mooq.transports.rabbit.connection_pair.CONTROL_TIMEOUT", 0.3)

    with pytest.raises(NotIdle, match=r"last seen: no answer yet about queue 'q'"):
        await mooq_broker.idle(timeout=0.2)
    await mooq_broker.idle(timeout=LONGEST_WAIT)

    assert inbox.bodies == ["m", "m"]


# Messages to a queue process have priorities: 7 for a query such as a passive declaration, 4 for
# an acknowledgement, 0 for a message, a rejection or a get. A function of priority 6 that sends
# itself again keeps the queue busy except for queries; it stops for a get or after some seconds.
QUESTIONS_ONLY = """
    {{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{host}">>, queue, <<"{queue}">>)),
    Latest = erlang:monotonic_time(second) + {longest},
    Again = fun Again(_, State) ->
        timer:sleep(1),
        {{messages, Waiting}} = erlang:process_info(self(), messages),
        IsGet = fun({{_, _, Asked}}) when element(1, Asked) =:= basic_get -> true;
                   (_) -> false
                end,
        IsToEnd = {is_ended_by_get} andalso lists:any(IsGet, Waiting),
        case IsToEnd orelse erlang:monotonic_time(second) > Latest of
            true -> State;
            false -> rabbit_amqqueue:run_backing_queue(self(), rabbit_variable_queue, Again), State
        end
    end,
    rabbit_amqqueue:run_backing_queue(amqqueue:get_pid(Queue), rabbit_variable_queue, Again).
"""


async def let_queue_answer_questions_only(
    rabbitmq: RunningRabbitMQ,
    virtual_host: str,
    queue: str,
    *,
    longest: int,
    is_ended_by_get: bool = True,
) -> None:
    """Make a queue answer only queries for this many seconds, or until it gets a get.

    It misses a get that arrives within microseconds of its check.
    """
    code = QUESTIONS_ONLY.format(
        host=virtual_host,
        queue=queue,
        longest=longest,
        is_ended_by_get=str(is_ended_by_get).lower(),
    )
    with container_of(rabbitmq) as container:
        status, said = await asyncio.to_thread(container.exec_run, ["rabbitmqctl", "eval", code])
    assert (status, said.strip()) == (0, b"ok")


@contextmanager
def container_of(rabbitmq: RunningRabbitMQ) -> Iterator[Any]:
    """Return the container of the run's RabbitMQ."""
    import docker

    with closing(docker.from_env()) as client:
        yield next(
            container
            for container in client.containers.list()
            if any(
                published["HostPort"] == str(rabbitmq["port"])
                for published in container.ports.get("5672/tcp") or ()
            )
        )


async def test_probing_a_queue_does_not_redeliver_messages(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    inbox = await consume(mooq_channel, HeldInbox(), prefetch_count=1)
    await publish_each(mooq_channel, range(3))
    (channel,) = mooq_broker._observer.channels

    assert await channel.has_ready("q")
    assert await channel.has_ready("q")
    inbox.open()
    await mooq_broker.idle()

    assert sorted(inbox.bodies) == [0, 1, 2]
    assert {message["redelivered"] for message in inbox.messages} == {False}
    assert not await channel.has_ready("q")
    assert not await channel.has_ready("no such queue")


async def test_idle_ignores_unconsumed_messages(
    mooq_broker: Broker, mooq_connection: mooq.Connection, mooq_channel: mooq.Channel
) -> None:
    await make_queue(mooq_connection, "q", "k")
    await mooq_channel.publish(exchange_name="log", msg="kept", routing_key="k")

    await mooq_broker.idle()

    assert (await mooq_channel.get("q"))["msg"] == "kept"


async def test_idle_waits_for_connections_of_tested_code(
    mooq_broker: Broker,
) -> None:
    async with await mooq.connect(**mooq_broker.arguments) as connection:
        channel = await connection.create_channel()
        inbox = await consume(channel, Inbox())
        async with processing(connection):
            await channel.publish(exchange_name="log", msg="hello")

            await mooq_broker.idle()

            assert inbox.bodies == ["hello"]


async def test_idle_ignores_closed_connections(
    mooq_broker: Broker, mooq_connection: mooq.Connection, mooq_channel: mooq.Channel
) -> None:
    await consume(mooq_channel, Inbox())
    await mooq_channel.publish(exchange_name="log", msg="hello")
    await mooq_connection.close()

    await mooq_broker.idle()


async def test_idle_raises_callback_failures_once(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    await consume(mooq_channel, FailingInbox("bad"))
    await mooq_channel.publish(exchange_name="log", msg="bad")

    with pytest.raises(Refusal, match="no to bad"):
        await mooq_broker.idle()
    await mooq_broker.idle()  # raised only once


async def test_idle_timeout_names_the_running_callback(
    mooq_broker: Broker, mooq_connection: mooq.Connection, mooq_channel: mooq.Channel
) -> None:
    inbox = await consume(mooq_channel, HeldInbox())
    async with processing(mooq_connection):
        await mooq_channel.publish(exchange_name="log", msg="held")
        await inbox.has(1)

    with pytest.raises(NotIdle, match=r"waited 0\.2 s .* 1 callback still running: .*HeldInbox"):
        await mooq_broker.idle(timeout=0.2)
    inbox.open()
    await mooq_broker.idle()


async def test_idle_in_a_callback_is_refused(
    mooq_broker: Broker, mooq_channel: mooq.Channel
) -> None:
    async def callback(message: Any) -> None:
        await mooq_broker.idle()

    await consume(mooq_channel, callback)
    await mooq_channel.publish(exchange_name="log", msg="hello")

    with pytest.raises(RuntimeError, match=re.escape("idle() was called by a callback")):
        await mooq_broker.idle()
