"""A service that ends well: at SIGTERM it takes no more messages, and finishes those it has.

Run it as it is: it gives itself five jobs in memory, and is told to end while it works on the
first two. Add ``--broker rabbit`` for a RabbitMQ on localhost:5672, and ``--jobs 0`` to let it
wait for jobs of others, and for a SIGTERM or Ctrl-C from outside.
"""

import argparse
import asyncio
import signal

import mooq

# Whoever ends a service kills it after a while: Kubernetes after 30 seconds, Docker after 10.
LONGEST_SHUTDOWN = 8.0


async def work(conn: mooq.Connection, queue: str, seconds: float, fatal_job: int | None) -> None:
    """Set up what is done with each job; in the midst of one, have this process told to end."""
    chan = await conn.create_channel()

    async def do(job: mooq.IncomingMessage) -> None:
        print("begun:", job["msg"], flush=True)
        if job["msg"] == fatal_job:
            signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(seconds)
        print("done:", job["msg"], flush=True)

    await chan.register_consumer(
        queue, exchange_name=queue, exchange_type="fanout", callback=do, prefetch_count=2
    )


async def serve(conn: mooq.Connection, ending: asyncio.Event) -> None:
    """Process jobs until the end; then finish, acknowledge, and give back what has not begun."""
    processing = asyncio.create_task(conn.process_events())
    waiting = asyncio.create_task(ending.wait())
    await asyncio.wait([processing, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    print("ending: no more jobs are taken", flush=True)
    await conn.close(timeout=LONGEST_SHUTDOWN)
    await processing  # raises what ended it, if it was not the closing


async def give_jobs(conn: mooq.Connection, queue: str, jobs: int) -> None:
    """Put jobs into the queue."""
    async with await conn.create_channel() as chan:
        for job in range(1, jobs + 1):
            await chan.publish(exchange_name=queue, msg=job)


async def take_stock(conn: mooq.Connection, queue: str) -> None:
    """Tell what is left for the next one to start, and clean up."""
    async with await conn.create_channel() as chan:
        try:
            while True:
                print("left:", (await chan.get(queue))["msg"])
        except mooq.NothingToConsume:
            await chan.delete_queue(queue)


async def main(broker: str, host: str, port: int, queue: str, jobs: int, seconds: float) -> None:
    """Work until told to end."""
    if broker == "in_memory":
        await mooq.InMemoryBroker(host=host, port=port).run()
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):  # the last is Ctrl-Break, on Windows
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: loop.call_soon_threadsafe(ending.set))
    async with await mooq.connect(host, port, broker) as conn:
        await work(conn, queue, seconds, fatal_job=2 if jobs else None)
        if jobs:
            await give_jobs(conn, queue, jobs)
        await serve(conn, ending)
    if jobs:
        async with await mooq.connect(host, port, broker) as conn:
            await take_stock(conn, queue)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A service that ends well.")
    parser.add_argument("--broker", choices=["in_memory", "rabbit"], default="in_memory")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=5672)
    parser.add_argument("--queue", default="mooq-example-jobs")
    parser.add_argument("--jobs", type=int, default=5, help="to give itself; 0 waits for others'")
    parser.add_argument("--seconds", type=float, default=0.2, help="that a job takes")
    asyncio.run(main(**vars(parser.parse_args())))
