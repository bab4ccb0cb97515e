"""FastStream's RabbitBroker, unmodified, on the test's broker."""

from __future__ import annotations

import asyncio

from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue

from mooq.testing.broker import Broker
from tests.integration.inbox import LONGEST_WAIT


async def test_request_is_answered_over_direct_reply_to(mooq_broker: Broker) -> None:
    service = RabbitBroker(mooq_broker.url, logger=None)

    @service.subscriber("doubling")
    async def double(number: int) -> int:
        return number * 2

    async with service:
        await service.start()
        answer = await service.request(21, "doubling", timeout=LONGEST_WAIT)
        assert await answer.decode() == 42


async def test_answer_is_published_to_another_queue(mooq_broker: Broker) -> None:
    service = RabbitBroker(mooq_broker.url, logger=None)
    answered: asyncio.Queue[str] = asyncio.Queue()

    @service.subscriber("questions")
    @service.publisher("answers")
    async def answer(question: str) -> str:
        return f"{question}? yes"

    @service.subscriber("answers")
    async def hear(text: str) -> None:
        await answered.put(text)

    async with service:
        await service.start()
        await service.publish("tea", "questions")
        assert await asyncio.wait_for(answered.get(), LONGEST_WAIT) == "tea? yes"


async def test_exchange_of_every_kind_is_declared_and_bound(mooq_broker: Broker) -> None:
    service = RabbitBroker(mooq_broker.url, logger=None)
    heard: asyncio.Queue[str] = asyncio.Queue()
    topic = RabbitExchange("events", type=ExchangeType.TOPIC)
    orders = RabbitQueue("orders", routing_key="order.*", arguments={"x-max-length": 10})
    headers = RabbitExchange("by-header", type=ExchangeType.HEADERS)
    urgent = RabbitQueue("urgent", bind_arguments={"x-match": "all", "urgent": True})

    @service.subscriber(orders, topic)
    async def hear_order(text: str) -> None:
        await heard.put(f"order {text}")

    @service.subscriber(urgent, headers)
    async def hear_urgent(text: str) -> None:
        await heard.put(f"urgent {text}")

    async with service:
        await service.start()
        await service.publish("tea", routing_key="order.new", exchange=topic)
        assert await asyncio.wait_for(heard.get(), LONGEST_WAIT) == "order tea"
        await service.publish("fire", exchange=headers, headers={"urgent": True})
        assert await asyncio.wait_for(heard.get(), LONGEST_WAIT) == "urgent fire"
