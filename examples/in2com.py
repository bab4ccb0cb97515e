"""Two small services: one sends greetings, the other answers in capitals.

By default it runs in memory; add ``--broker rabbit`` for a RabbitMQ on localhost:5672.
"""

import asyncio

from running import Connect, run

import mooq

NAMES = ("Ada", "Grace", "Edsger")


async def serve_capitals(conn: mooq.Connection) -> None:
    """Set up the service that answers every greeting in capitals."""
    chan = await conn.create_channel()
    await chan.register_producer(exchange_name="answers", exchange_type="fanout")

    async def answer(resp: mooq.IncomingMessage) -> None:
        await chan.publish(exchange_name="answers", msg=resp["msg"].upper())

    await chan.register_consumer(
        exchange_name="log", exchange_type="topic", routing_keys=["greetings.*"], callback=answer
    )


async def greet(conn: mooq.Connection, answered: asyncio.Event) -> None:
    """Greet everyone; set ``answered`` when all answers have arrived."""
    chan = await conn.create_channel()
    await chan.register_producer(exchange_name="log", exchange_type="topic")
    waiting = set(NAMES)

    async def hear(resp: mooq.IncomingMessage) -> None:
        print("answered:", resp["msg"])
        waiting.difference_update(name for name in NAMES if name.upper() in resp["msg"])
        if not waiting:
            answered.set()

    await chan.register_consumer(exchange_name="answers", exchange_type="fanout", callback=hear)
    for name in NAMES:
        print("greeting:", name)
        # Mandatory: raises an error if no service is there to receive it.
        await chan.publish(
            exchange_name="log",
            msg=f"hello, {name}",
            routing_key=f"greetings.{name}",
            mandatory=True,
        )


async def main(connect: Connect) -> None:
    """Run both services, each on its own connection, until all answers have arrived."""
    async with (
        await connect() as capitals,
        await connect() as greeter,
        asyncio.TaskGroup() as services,
    ):
        answered = asyncio.Event()
        await serve_capitals(capitals)
        await greet(greeter, answered)
        services.create_task(capitals.process_events())
        services.create_task(greeter.process_events())
        await answered.wait()
        await greeter.close()
        await capitals.close()


if __name__ == "__main__":
    run(main, __doc__)
