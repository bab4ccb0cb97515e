"""Tests of a FastStream service, on both brokers, over AMQP."""

import pytest
from faststream.rabbit import RabbitQueue
from faststream_greeter import service


@pytest.fixture
async def greeter(mooq_broker):
    async with service(mooq_broker.url) as greeter:
        await greeter.start()
        yield greeter


async def test_everyone_is_greeted(mooq_broker, greeter):
    await greeter.declare_queue(RabbitQueue("greetings"))
    await greeter.publish("Ada", "names")
    await mooq_broker.idle()
    assert mooq_broker.recorded.published.where(routing_key="greetings").msgs == ["Hello, Ada!"]


async def test_request_is_answered(greeter):
    answer = await greeter.request("Ada", "lengths", timeout=30)
    assert await answer.decode() == 3
