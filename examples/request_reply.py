"""Request and reply: a client asks a service to square numbers, and waits for each answer.

Run it as it is, in memory; add ``--broker rabbit`` for a RabbitMQ on localhost:5672.
"""

import asyncio
from typing import Self
from uuid import uuid4

from running import Connect, run

import mooq


async def serve_squares(conn: mooq.Connection) -> None:
    """Set up the service: it answers each request to the queue that the request names."""
    chan = await conn.create_channel()

    async def square(request: mooq.IncomingMessage) -> None:
        if request["reply_to"]:
            await chan.publish(
                exchange_name="",  # the default exchange: by the name of a queue
                routing_key=request["reply_to"],
                msg=request["msg"] ** 2,
                correlation_id=request["correlation_id"],
            )

    await chan.register_consumer(
        "squares", ["square"], exchange_name="requests", exchange_type="direct", callback=square
    )


class Client:
    """Asks for squares, and hands each reply to the call that waits for it."""

    def __init__(self, chan: mooq.Channel) -> None:
        self._chan = chan
        self._replies = ""
        self._waiting: dict[str, asyncio.Future[int]] = {}

    @classmethod
    async def on(cls, conn: mooq.Connection) -> Self:
        """Return a client that hears replies on a queue of its own."""
        client = cls(await conn.create_channel())
        await client._chan.register_producer(exchange_name="requests", exchange_type="direct")
        client._replies = await client._chan.register_consumer(
            exchange_name="replies", exchange_type="fanout", callback=client._hear
        )
        return client

    async def square(self, number: int, timeout: float = 30.0) -> int:
        """Return a square; ``MessageUnroutable`` without a service, ``TimeoutError`` if late."""
        request_id = uuid4().hex
        reply = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            await self._chan.publish(
                exchange_name="requests",
                routing_key="square",
                msg=number,
                reply_to=self._replies,
                correlation_id=request_id,
                mandatory=True,
            )
            return await asyncio.wait_for(reply, timeout)
        finally:
            del self._waiting[request_id]

    async def _hear(self, reply: mooq.IncomingMessage) -> None:
        waiting = self._waiting.get(reply["correlation_id"] or "")
        if waiting is not None and not waiting.done():  # a late one, or a repeat, helps nobody
            waiting.set_result(reply["msg"])


async def main(connect: Connect) -> None:
    """Run the service and a client that asks three things at once."""
    async with (
        await connect() as service,
        await connect() as asking,
        asyncio.TaskGroup() as tasks,
    ):
        await serve_squares(service)
        client = await Client.on(asking)
        tasks.create_task(service.process_events())
        tasks.create_task(asking.process_events())
        numbers = (2, 3, 12)
        squares = await asyncio.gather(*map(client.square, numbers))
        for number, square in zip(numbers, squares, strict=True):
            print(f"{number} squared is {square}")
        await asking.close()
        await service.close()


if __name__ == "__main__":
    run(main, __doc__)
