"""Request and reply: a client asks a service to square numbers, and awaits each answer.

By default it runs in memory; add ``--broker rabbit`` for a RabbitMQ on localhost:5672.
"""

import asyncio

from running import Connect, run

import mooq


async def square(request: mooq.IncomingMessage) -> int:
    """Return the reply."""
    number: int = request["msg"]
    return number * number


async def serve_squares(conn: mooq.Connection) -> None:
    """Start the service, which replies to the queue that each request names."""
    chan = await conn.create_channel()
    await chan.register_consumer(
        "squares",
        ["square"],
        exchange_name="requests",
        exchange_type="direct",
        callback=square,
        replies=True,
    )


async def ask_for_square(chan: mooq.Channel, number: int, timeout: float = 30.0) -> int:
    """Return a square. Raises ``MessageUnroutable`` without a service, or ``NoReply``."""
    reply = await chan.request(
        exchange_name="requests", routing_key="square", msg=number, timeout=timeout
    )
    squared: int = reply["msg"]
    return squared


async def main(connect: Connect) -> None:
    """Run the service and a client that makes three requests at once."""
    async with (
        await connect() as service,
        await connect() as asking,
        asyncio.TaskGroup() as tasks,
    ):
        await serve_squares(service)
        tasks.create_task(service.process_events())
        chan = await asking.create_channel()
        numbers = (2, 3, 12)
        squares = await asyncio.gather(*(ask_for_square(chan, number) for number in numbers))
        for number, squared in zip(numbers, squares, strict=True):
            print(f"{number} squared is {squared}")
        await service.close()


if __name__ == "__main__":
    run(main, __doc__)
