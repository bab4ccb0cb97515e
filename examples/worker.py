"""A service that shuts down cleanly: on SIGTERM it stops taking messages and finishes its jobs.

By default it queues five jobs for itself in memory, and is told to stop during the first two. Add
``--broker rabbit`` for a RabbitMQ on localhost:5672, and ``--jobs 0`` to wait for jobs from other
programs, and for a SIGTERM or Ctrl-C from outside.
"""

import argparse
import asyncio
import signal
import sys

import mooq

# A stopped service is killed after a while: by Kubernetes after 30 seconds, by Docker after 10.
LONGEST_SHUTDOWN = 8.0


async def work(conn: mooq.Connection, queue: str, seconds: float, fatal_job: int | None) -> None:
    """Consume jobs; during one of them, tell this process to stop."""
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
    """Process jobs until told to stop; finish and acknowledge running jobs, requeue the others."""
    processing = asyncio.create_task(conn.process_events())
    waiting = asyncio.create_task(ending.wait())
    await asyncio.wait([processing, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    print("ending: no more jobs are taken", flush=True)
    await conn.close(timeout=LONGEST_SHUTDOWN)
    await processing  # raises its exception, if any


async def give_jobs(conn: mooq.Connection, queue: str, jobs: int) -> None:
    """Add jobs to the queue."""
    async with await conn.create_channel() as chan:
        for job in range(1, jobs + 1):
            await chan.publish(exchange_name=queue, msg=job)


async def take_stock(conn: mooq.Connection, queue: str) -> None:
    """Report the jobs that are left for the next start, and clean up."""
    async with await conn.create_channel() as chan:
        try:
            while True:
                print("left:", (await chan.get(queue))["msg"])
        except mooq.NothingToConsume:
            await chan.delete_queue(queue)


async def main(broker: str, host: str, port: int, queue: str, jobs: int, seconds: float) -> None:
    """Run until told to stop."""
    if broker == "in_memory":
        await mooq.InMemoryBroker(host=host, port=port).run()
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):  # SIGBREAK is Ctrl-Break on Windows
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
    parser = argparse.ArgumentParser(description="A service that shuts down cleanly.")
    parser.add_argument("--broker", choices=["in_memory", "rabbit"], default="in_memory")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=5672)
    parser.add_argument("--queue", default="mooq-example-jobs")
    parser.add_argument("--jobs", type=int, default=5, help="to give itself; 0 waits for others'")
    parser.add_argument("--seconds", type=float, default=0.2, help="that a job takes")
    try:
        asyncio.run(main(**vars(parser.parse_args())))
    except mooq.BrokerConnectionError as error:
        sys.exit(f"Error: {error}")
