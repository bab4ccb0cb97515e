"""Tests of request and reply on both brokers, which mooq's pytest plugin provides."""

import asyncio

import aio_pika
import pytest
from request_reply import ask_for_square, serve_squares

import mooq


@pytest.fixture
async def service(mooq_connect):
    """The service, running until the test ends."""
    connection = await mooq_connect()
    await serve_squares(connection)
    serving = asyncio.create_task(connection.process_events())
    yield connection
    await connection.close()
    await serving


async def test_each_request_gets_its_own_reply(service, mooq_channel):
    squares = await asyncio.gather(*(ask_for_square(mooq_channel, number) for number in (2, 3)))
    assert squares == [4, 9]


async def test_a_client_on_aio_pika_gets_its_reply(service, mooq_broker):
    async with await aio_pika.connect(mooq_broker.url) as connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(exclusive=True)
        exchange = await channel.get_exchange("requests")
        request = aio_pika.Message(b"4", reply_to=replies.name, correlation_id="mine")
        await exchange.publish(request, "square")
        async with replies.iterator(timeout=30) as arriving:
            reply = await anext(arriving)
    assert (reply.body, reply.correlation_id) == (b"16", "mine")


async def test_a_request_without_a_service_is_refused_at_once(mooq_channel):
    await mooq_channel.declare_exchange("requests", "direct")
    with pytest.raises(mooq.MessageUnroutable):
        await ask_for_square(mooq_channel, 2)


async def test_a_service_that_is_down_gets_the_request_when_it_is_back(mooq_channel, mooq_connect):
    async with await mooq_connect() as first:
        await serve_squares(first)  # its queue is durable and stays
    asking = asyncio.create_task(ask_for_square(mooq_channel, 5))
    async with await mooq_connect() as second:
        await serve_squares(second)
        serving = asyncio.create_task(second.process_events())

        assert await asking == 25
    await serving
