"""A service on aio-pika that prices orders. It knows nothing of mooq, and its tests do."""

import json

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

PRICES = {"tea": 2, "coffee": 3}


async def serve(connection: AbstractConnection) -> None:
    """Consume orders; publish an invoice for each. An unknown drink is a dead letter."""
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
        async with message.process():  # rejects the message when this raises
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
