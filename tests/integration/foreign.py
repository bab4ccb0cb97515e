"""A program without mooq, on either broker: raw bodies, properties and declarations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from mooq.basics.address import broker_name
from mooq.transports.declarations import Queue
from mooq.transports.direct import DirectChannel
from mooq.transports.message import Message, Outcome
from mooq.transports.registry import REGISTRY
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT


class RawMessage(NamedTuple):
    """A message as it is in a queue."""

    body: bytes
    content_type: str | None = None
    headers: Mapping[str, Any] | None = None
    message_id: str | None = None
    is_persistent: bool = True
    content_encoding: str | None = None


class Foreigner(ABC):
    """The operations of such a program in these tests."""

    @abstractmethod
    async def publish(self, message: RawMessage, exchange_name: str, routing_key: str = "") -> None:
        """Publish a message unchanged and wait for its confirm."""

    @abstractmethod
    async def get(self, queue_name: str) -> RawMessage:
        """Get and acknowledge a raw message, waiting for one if necessary."""

    @abstractmethod
    async def declare_queue(self, name: str, *, durable: bool, exclusive: bool) -> None:
        """Declare a queue."""

    @abstractmethod
    async def delete_exchange(self, name: str) -> None:
        """Delete an exchange, even if it is in use."""


class OnRabbitMQ(Foreigner):
    """A foreign program that uses aio-pika."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def publish(self, message: RawMessage, exchange_name: str, routing_key: str = "") -> None:
        exchange = (
            await self._channel.get_exchange(exchange_name)
            if exchange_name
            else self._channel.default_exchange
        )
        await exchange.publish(
            aio_pika.Message(
                message.body,
                content_type=message.content_type,
                headers=dict(message.headers or {}),
                message_id=message.message_id,
                delivery_mode=2 if message.is_persistent else 1,
                content_encoding=message.content_encoding,
            ),
            routing_key,
        )

    async def get(self, queue_name: str) -> RawMessage:
        queue = await self._channel.get_queue(queue_name)
        message = await patiently(queue)
        return RawMessage(
            message.body,
            message.content_type,
            message.headers,
            message.message_id,
            message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT,
            message.content_encoding,
        )

    async def declare_queue(self, name: str, *, durable: bool, exclusive: bool) -> None:
        await self._channel.declare_queue(name, durable=durable, exclusive=exclusive)

    async def delete_exchange(self, name: str) -> None:
        await self._channel.exchange_delete(name)


class InMemory(Foreigner):
    """A foreign program that calls the in-memory broker directly."""

    def __init__(self, channel: DirectChannel) -> None:
        self._channel = channel

    async def publish(self, message: RawMessage, exchange_name: str, routing_key: str = "") -> None:
        self._channel.publish(
            Message(
                message.body,
                exchange_name,
                routing_key,
                message.message_id,
                message.content_type,
                message.headers,
                message.is_persistent,
                message.content_encoding,
            ),
            False,
        )

    async def get(self, queue_name: str) -> RawMessage:
        delivery = self._channel.get(queue_name)
        assert delivery is not None
        self._channel.settle(delivery.receipt, Outcome.ACKNOWLEDGE)
        message = delivery.message
        return RawMessage(
            message.body,
            message.content_type,
            message.headers or {},
            message.message_id,
            message.persistent,
            message.content_encoding,
        )

    async def declare_queue(self, name: str, *, durable: bool, exclusive: bool) -> None:
        self._channel.declare_queue(Queue(name, durable=durable, exclusive=exclusive))

    async def delete_exchange(self, name: str) -> None:
        self._channel.rules.exchange_delete(name, if_unused=False)


@retry(
    retry=retry_if_exception_type(aio_pika.exceptions.QueueEmpty),
    wait=wait_fixed(0.01),
    stop=stop_after_delay(LONGEST_WAIT),
    reraise=True,
)
async def patiently(queue: AbstractQueue) -> AbstractIncomingMessage:
    """Get a message, retrying while dead-lettering is still in progress."""
    return await queue.get(no_ack=True)


@asynccontextmanager
async def foreigner(address: BrokerAddress) -> AsyncIterator[Foreigner]:
    """Connect such a program to a broker."""
    if address["broker"] == "in_memory":
        broker = REGISTRY.in_memory[broker_name(address["host"], address["port"])].broker
        open_one = broker.connect(
            address["virtual_host"], address["username"], address["password"], lambda: None
        )
        yield InMemory(open_one.channel())
        open_one.close()
        return
    async with await aio_pika.connect(
        host=address["host"],
        port=address["port"],
        login=address["username"],
        password=address["password"],
        virtualhost=address["virtual_host"],
    ) as connection:
        yield OnRabbitMQ(await connection.channel())
