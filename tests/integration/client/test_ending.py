"""Services that end on a signal or crash, and the jobs they leave."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

import mooq
from mooq.testing.lease import RunningRabbitMQ
from tests.integration.inbox import LONGEST_WAIT
from tests.integration.steps import drained

WORKER = Path(__file__).parents[3] / "examples" / "worker.py"

Jobs = Callable[[int], Awaitable[None]]

pytestmark = pytest.mark.rabbit


@asynccontextmanager
async def worker(answer: RunningRabbitMQ, queue: str, seconds: float) -> AsyncIterator[Process]:
    """Run the example worker on the queue, in a process that turns warnings into errors.

    A job takes ``seconds``, in which the test must have signalled the process.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-W", "error", str(WORKER), "--broker", "rabbit"),
        *("--host", answer["host"], "--port", str(answer["port"]), "--queue", queue),
        *("--jobs", "0", "--seconds", str(seconds)),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def heard(process: Process, *lines: str) -> None:
    """Wait until a process has printed these lines, in any order."""
    assert process.stdout is not None
    missing = list(lines)
    async with asyncio.timeout(LONGEST_WAIT):
        while missing:
            line = (await process.stdout.readline()).decode().strip()
            assert line, f"the process has ended; {missing} did not come"
            missing.remove(line)


@pytest.fixture
async def queue(
    mooq_rabbitmq: RunningRabbitMQ, mooq_virtual_host: str
) -> AsyncIterator[tuple[str, Jobs]]:
    """The name of the worker's queue and a function that publishes jobs."""
    name = f"jobs of {mooq_virtual_host}"  # unique like the virtual host
    async with await mooq.connect(mooq_rabbitmq["host"], mooq_rabbitmq["port"]) as conn:
        chan = await conn.create_channel()

        async def give(jobs: int) -> None:
            for job in range(1, jobs + 1):
                await chan.publish(exchange_name=name, msg=job)

        await chan.register_consumer(
            name, exchange_name=name, exchange_type="fanout", callback=_nobody
        )
        await chan.close()
        chan = await conn.create_channel()
        yield name, give
        await chan.delete_queue(name)


async def _nobody(_: mooq.IncomingMessage) -> None:
    raise AssertionError("only the worker works")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signalled_service_finishes_its_running_jobs(
    number: signal.Signals, mooq_rabbitmq: RunningRabbitMQ, queue: tuple[str, Jobs]
) -> None:
    name, give = queue
    await give(5)
    async with worker(mooq_rabbitmq, name, seconds=3) as process:
        await heard(process, "begun: 1", "begun: 2")
        process.send_signal(number)
        async with asyncio.timeout(LONGEST_WAIT):
            printed, complaints = await process.communicate()
    assert printed.decode().split("\n")[0] == "ending: no more jobs are taken"
    assert sorted(printed.decode().split("\n")[1:]) == ["", "done: 1", "done: 2"]
    assert "Error" not in complaints.decode()
    assert "Warning" not in complaints.decode()
    assert process.returncode == 0
    async with await mooq.connect(mooq_rabbitmq["host"], mooq_rabbitmq["port"]) as conn:
        left = await drained(await conn.create_channel(), name)
    assert [(message["msg"], message["redelivered"]) for message in left] == [
        (3, False),
        (4, False),
        (5, False),
    ]


async def test_jobs_of_a_crashed_service_are_redelivered(
    mooq_rabbitmq: RunningRabbitMQ, queue: tuple[str, Jobs]
) -> None:
    name, give = queue
    await give(3)
    async with worker(mooq_rabbitmq, name, seconds=1000) as process:
        await heard(process, "begun: 1", "begun: 2")
        process.kill()
        await process.wait()
    async with await mooq.connect(mooq_rabbitmq["host"], mooq_rabbitmq["port"]) as conn:
        chan = await conn.create_channel()
        left = [await chan.get(name, timeout=LONGEST_WAIT) for _ in range(3)]
    assert sorted((message["msg"], message["redelivered"]) for message in left) == [
        (1, True),
        (2, True),
        (3, False),
    ]
