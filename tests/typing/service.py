"""A typical service and its tests, type-checked by mypy and pyright and never run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

import mooq
from mooq.testing.broker import Broker
from mooq.testing.faults import Faults
from mooq.testing.recorder import Recorder

log = logging.getLogger(__name__)


@dataclass
class Order:
    """An order of the shop."""

    tea: str
    cups: int

    @classmethod
    def read(cls, message: mooq.IncomingMessage) -> Order:
        """Return the order in a message."""
        return cls(tea=str(message["msg"]["tea"]), cups=int(message["msg"]["cups"]))


class Shop:
    """A service with its own connection."""

    def __init__(self, connect: Callable[[], Awaitable[mooq.Connection]]) -> None:
        self._connect = connect
        self._connection: mooq.Connection | None = None
        self._channel: mooq.Channel | None = None
        self.brewed: list[Order] = []

    async def run(self) -> None:
        """Consume until the connection is closed."""
        self._connection = await self._connect()
        self._channel = await self._connection.create_channel()
        await self._channel.register_consumer(
            "orders",
            ["order.*"],
            exchange_name="shop",
            exchange_type="topic",
            callback=self.brew,
            prefetch_count=10,
            retry=mooq.Retry(attempts=3, first_wait=0.1),
            queue_arguments=mooq.queue_arguments(queue_type="quorum"),
        )
        await self._channel.consume("audit", self.audit, manual=True)
        await self._connection.process_events()

    async def brew(self, message: mooq.IncomingMessage) -> None:
        """Brew the order and reply to its sender."""
        order = Order.read(message)
        self.brewed.append(order)
        if self._channel is not None and message["reply_to"] is not None:
            await self._channel.publish(
                exchange_name="",
                routing_key=message["reply_to"],
                msg={"brewed": order.tea},
                correlation_id=message["correlation_id"],
                timestamp=datetime.now(UTC),
                headers=mooq.forwardable_headers(message["headers"]),
            )

    async def audit(self, message: mooq.IncomingMessage, delivery: mooq.ManualDelivery) -> None:
        """Acknowledge messages that have a source header."""
        if "source" in message["headers"]:
            await delivery.acknowledge()
        else:
            await delivery.reject()

    async def stop(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close(timeout=5)


async def main() -> None:
    """Run the service and send it a request."""
    shop = Shop(lambda: mooq.connect(url="amqp://localhost", client_name="shop", heartbeat=30))
    running = asyncio.create_task(shop.run())
    try:
        async with await mooq.connect(broker="in_memory") as connection:
            channel = await connection.create_channel()
            reply = await channel.request(
                exchange_name="shop", routing_key="order.new", msg={"tea": "green", "cups": 2}
            )
            log.info("the shop says %s", reply["msg"])
    except mooq.NoReply as error:
        log.warning("%s", error)
    finally:
        await shop.stop()
        await running


@pytest.fixture
async def shop(mooq_broker: Broker) -> Shop:
    """Return the service on the test's broker."""
    return Shop(mooq_broker.connect)


async def test_order_is_brewed(
    shop: Shop,
    mooq_broker: Broker,
    mooq_channel: mooq.Channel,
    mooq_recorder: Recorder,
    mooq_faults: Faults,
) -> None:
    running = asyncio.create_task(shop.run())
    await mooq_channel.publish(exchange_name="shop", routing_key="order.new", msg={"cups": 1})
    mooq_faults.delay(0.01)
    await mooq_broker.idle(timeout=5)
    assert [order.cups for order in shop.brewed] == [1]
    assert [record.routing_key for record in mooq_recorder.acknowledged] == ["order.new"]
    assert mooq_broker.recorded.published.where(exchange_name="shop").msgs
    await shop.stop()
    await running


def test_in_memory_broker_serves_other_clients() -> None:
    with mooq.InMemoryBroker(host="localhost", port=5672, version="4.3") as broker:
        assert broker.url.startswith("amqp://")
