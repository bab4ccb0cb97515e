"""A work queue: workers compete for jobs, and jobs that fail are dead-lettered.

By default it runs in memory; add ``--broker rabbit`` for a RabbitMQ on localhost:5672.
"""

import asyncio
from collections.abc import Callable, Iterable

from running import Connect, run

import mooq

Report = Callable[[str], None]


async def add_worker(conn: mooq.Connection, name: str, report: Report) -> None:
    """Add a worker to the job queue. It takes one job at a time; the others wait."""
    chan = await conn.create_channel()

    async def divide(job: mooq.IncomingMessage) -> None:
        number = job["msg"]
        report(f"{name}: 60 / {number} = {60 / number:g}")

    await chan.register_producer(exchange_name="failed work", exchange_type="fanout")
    await chan.register_consumer(
        "jobs",
        exchange_name="work",
        exchange_type="fanout",
        callback=divide,
        prefetch_count=1,
        dead_letter_exchange="failed work",
    )


async def collect_failures(conn: mooq.Connection, report: Report, done: asyncio.Event) -> None:
    """Report each job that failed twice, with RabbitMQ's reason."""
    chan = await conn.create_channel()

    async def set_aside(job: mooq.IncomingMessage) -> None:
        death = job["headers"]["x-death"][0]
        report(f"set aside: {job['msg']} ({death['reason']} by queue {death['queue']})")
        done.set()

    await chan.register_consumer(
        "failed jobs", exchange_name="failed work", exchange_type="fanout", callback=set_aside
    )


async def add_jobs(conn: mooq.Connection, numbers: Iterable[int]) -> None:
    """Add a job for each number; when this returns, the broker has confirmed all of them."""
    async with await conn.create_channel() as chan:
        await chan.register_producer(exchange_name="work", exchange_type="fanout")
        for number in numbers:
            await chan.publish(exchange_name="work", msg=number, mandatory=True)


async def main(connect: Connect) -> None:
    """Run two workers and six jobs, one of which always fails."""
    async with await connect() as conn, asyncio.TaskGroup() as tasks:
        failed = asyncio.Event()
        await collect_failures(conn, print, failed)
        for name in ("first worker", "second worker"):
            await add_worker(conn, name, print)
        await add_jobs(conn, (1, 2, 3, 4, 5, 0))
        tasks.create_task(conn.process_events())
        await failed.wait()
        await conn.close()


if __name__ == "__main__":
    run(main, __doc__)
