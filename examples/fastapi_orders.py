"""A FastAPI application that publishes orders with aio-pika."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
from fastapi import FastAPI, Request
from pydantic import BaseModel


class Order(BaseModel):
    """An order for a product."""

    drink: str


def application(url: str) -> FastAPI:
    """Return the application; its connection is open while the application runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with await aio_pika.connect_robust(url) as connection:
            app.state.channel = await connection.channel()
            await app.state.channel.declare_queue("orders", durable=True)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/orders", status_code=202)
    async def order(order: Order, request: Request) -> dict[str, str]:
        body = json.dumps({"drink": order.drink}).encode()
        message = aio_pika.Message(body, content_type="application/json")
        await request.app.state.channel.default_exchange.publish(message, "orders")
        return {"ordered": order.drink}

    return app
