"""An aio-pika service that prices orders. Only its tests use mooq."""

import json

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

PRICES = {"tea": 2, "coffee": 3}


async def serve(connection: AbstractConnection) -> None:
    """Consume orders and publish an invoice for each. Unknown drinks are dead-lettered."""
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=10)
    await channel.declare_queue("invoices", durable=True)
    await channel.declare_queue("refused", durable=True)
    orders = await channel.declare_queue(
        "orders",
        durable=True,
        arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "refused"},
    )

    async def price(message: AbstractIncomingMessage) -> None:
        async with message.process():  # rejects the message if this block raises
            order = json.loads(message.body)
            invoice = {"drink": order["drink"], "price": PRICES[order["drink"]]}
            body = aio_pika.Message(json.dumps(invoice).encode(), content_type="application/json")
            await channel.default_exchange.publish(body, "invoices")

    await orders.consume(price)


async def order(connection: AbstractConnection, drink: str) -> None:
    """Order a drink."""
    async with connection.channel() as channel:
        body = json.dumps({"drink": drink}).encode()
        message = aio_pika.Message(body, content_type="application/json")
        await channel.default_exchange.publish(message, "orders")
