"""Request and reply, on both brokers: mooq's plugin brings one for each test."""

import asyncio

import pytest
from request_reply import Client, serve_squares

import mooq


@pytest.fixture
async def client(mooq_connection):
    """A client that hears its replies until the test ends."""
    client = await Client.on(mooq_connection)
    hearing = asyncio.create_task(mooq_connection.process_events())
    yield client
    await mooq_connection.close()
    await hearing


@pytest.fixture
async def service(mooq_connect):
    """The service, at work until the test ends."""
    connection = await mooq_connect()
    await serve_squares(connection)
    serving = asyncio.create_task(connection.process_events())
    yield connection
    await connection.close()
    await serving


async def test_each_request_gets_its_own_reply(client, service):
    assert await asyncio.gather(client.square(2), client.square(3)) == [4, 9]


async def test_a_request_is_refused_at_once_when_nobody_serves(client):
    with pytest.raises(mooq.MessageUnroutable):
        await client.square(2)


async def test_a_service_that_is_down_gets_the_request_when_it_is_back(client, mooq_connect):
    async with await mooq_connect() as first:
        await serve_squares(first)  # its queue is durable, and outlives it
    asking = asyncio.create_task(client.square(5))
    async with await mooq_connect() as second:
        await serve_squares(second)
        serving = asyncio.create_task(second.process_events())

        assert await asking == 25
    await serving
