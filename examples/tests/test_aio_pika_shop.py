"""Tests of an aio-pika service on both brokers; it connects to the broker's URL."""

import aio_pika
import pytest
from aio_pika_shop import order, serve

from mooq.testing.broker import Broker


@pytest.fixture
async def connection(mooq_broker: Broker):
    async with await aio_pika.connect_robust(mooq_broker.url) as connection:
        await serve(connection)
        yield connection


async def test_each_order_gets_an_invoice(mooq_broker, connection):
    for drink in ("tea", "coffee"):
        await order(connection, drink)
    await mooq_broker.idle()
    invoices = mooq_broker.recorded.published.where(routing_key="invoices")
    assert invoices.msgs == [
        {"drink": "tea", "price": 2},
        {"drink": "coffee", "price": 3},
    ]


@pytest.mark.mooq_redeliver
async def test_an_order_delivered_twice_gets_two_invoices(mooq_broker, connection):
    """A duplicate delivery produces two invoices, because this service is not idempotent."""
    await order(connection, "tea")
    await mooq_broker.idle()
    assert len(mooq_broker.recorded.published.where(routing_key="invoices")) == 2


async def test_an_unknown_drink_is_rejected(mooq_broker, connection):
    await order(connection, "soup")
    rejected = await mooq_broker.wait_for("rejected", queue_name="orders")
    assert rejected.msg == {"drink": "soup"}
    await mooq_broker.idle()
    assert not mooq_broker.recorded.published.where(routing_key="invoices")
