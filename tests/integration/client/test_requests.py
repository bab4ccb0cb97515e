"""Requests and replies over direct reply-to, with mooq and aio-pika on either side."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

import mooq
from mooq.testing.faults import Faults
from tests.conftest import Connect
from tests.integration.inbox import LONGEST_WAIT
from tests.integration.steps import make_queue, processing, until


async def square(request: mooq.IncomingMessage) -> Any:
    """A callback that returns its reply."""
    return request["msg"] ** 2


async def serve(chan: mooq.Channel, callback: Any = square) -> None:
    await chan.register_consumer(
        "squares",
        "square",
        exchange_name="requests",
        exchange_type="direct",
        callback=callback,
        replies=True,
    )


async def ask(chan: mooq.Channel, number: int, timeout: float = LONGEST_WAIT) -> Any:
    reply = await chan.request(
        exchange_name="requests", routing_key="square", msg=number, timeout=timeout
    )
    return reply["msg"]


async def test_each_request_gets_its_own_reply(connect: Connect) -> None:
    service, client = await connect(), await connect()
    await serve(await service.create_channel())
    chan = await client.create_channel()
    async with processing(service):
        squares = await asyncio.gather(*(ask(chan, number) for number in range(50)))
    assert squares == [number**2 for number in range(50)]


async def test_reply_arrives_without_process_events(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    await make_queue(conn, "squares", "square", exchange_name="requests")

    async def answer(message: AbstractIncomingMessage) -> None:
        async with message.process():
            assert message.reply_to is not None
            reply = aio_pika.Message(b"16", correlation_id=message.correlation_id)
            await peer.default_exchange.publish(reply, message.reply_to)

    await (await peer.get_queue("squares")).consume(answer)
    assert await ask(chan, 4) == 16


async def test_aio_pika_client_gets_its_direct_reply(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    await serve(chan)
    replies: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    name = "amq.rabbitmq.reply-to"
    await (await peer.get_queue(name, ensure=False)).consume(replies.put, no_ack=True)
    request = aio_pika.Message(b"5", reply_to=name, correlation_id="mine")
    await (await peer.get_exchange("requests")).publish(request, "square")
    async with processing(conn), asyncio.timeout(LONGEST_WAIT):
        reply = await replies.get()
    assert (reply.body, reply.correlation_id) == (b"25", "mine")


async def test_request_without_a_service_is_refused_at_once(chan: mooq.Channel) -> None:
    await chan.declare_exchange("requests", "direct")
    with pytest.raises(mooq.MessageUnroutable):
        await ask(chan, 2)


async def test_request_without_a_reply_times_out_and_expires(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    async def is_gone() -> bool:
        declared = await peer.declare_queue("squares", passive=True)
        return declared.declaration_result.message_count == 0

    await make_queue(conn, "squares", "square", exchange_name="requests")
    with pytest.raises(
        mooq.NoReply, match=r"no reply came within 0\.2 s to request .*'requests' at"
    ):
        await ask(chan, 2, timeout=0.2)
    await until(is_gone, "the request to expire")


async def test_message_without_reply_to_gets_no_reply(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await serve(chan)
    await chan.publish(exchange_name="requests", routing_key="square", msg=2)
    await conn.process_events(num_cycles=1)
    with pytest.raises(mooq.NothingToConsume):
        await chan.get("squares")


@pytest.mark.mooq_allow_failures
async def test_retried_callback_still_replies(connect: Connect) -> None:
    service, client = await connect(), await connect()
    failures = ["first"]

    async def fail_once(request: mooq.IncomingMessage) -> Any:
        if failures:
            raise ValueError(failures.pop())
        return await square(request)

    await serve(await service.create_channel(), fail_once)
    async with processing(service):
        assert await ask(await client.create_channel(), 3) == 9


async def test_refused_publish_keeps_requests_working(connect: Connect) -> None:
    service, client = await connect(), await connect()
    await serve(await service.create_channel())
    chan = await client.create_channel()
    async with processing(service):
        assert await ask(chan, 2) == 4
        with pytest.raises(ValueError, match="user_id"):
            await chan.publish(exchange_name="requests", msg=1, user_id="somebody")
        assert await ask(chan, 3) == 9


@pytest.mark.mooq_allow_failures  # a reply may be lost and is then sent again
async def test_requests_work_after_reconnecting(connect: Connect, mooq_faults: Faults) -> None:
    service = await connect()
    await serve(await service.create_channel())
    async with processing(service), await mooq.connect(**mooq_faults.arguments) as client:
        chan = await client.create_channel()
        assert await ask(chan, 2) == 4
        mooq_faults.cut()
        for attempt in range(20):  # a request may be sent before the loss is noticed
            try:
                assert await ask(chan, 3, timeout=5) == 9
                break
            except (mooq.NoReply, mooq.PublishUnconfirmed):
                assert attempt < 19


async def test_undecodable_reply_raises_an_error(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    await make_queue(conn, "squares", "square", exchange_name="requests")

    async def answer(message: AbstractIncomingMessage) -> None:
        assert message.reply_to is not None
        reply = aio_pika.Message(
            b"{", correlation_id=message.correlation_id, content_type="application/json"
        )
        await peer.default_exchange.publish(reply, message.reply_to)

    await (await peer.get_queue("squares")).consume(answer, no_ack=True)
    with pytest.raises(ValueError, match="the body is not JSON"):
        await ask(chan, 4)
