"""Tests of the work queue on both brokers, which mooq's pytest plugin provides."""

import asyncio

import pytest
from work_queue import add_jobs, add_worker, collect_failures


async def test_workers_share_the_jobs(mooq_broker, mooq_connection):
    first, second = [], []
    await add_worker(mooq_connection, "first", first.append)
    await add_worker(mooq_connection, "second", second.append)

    await add_jobs(mooq_connection, [1, 2, 3, 4])
    await mooq_broker.idle()

    assert first[0] == "first: 60 / 1 = 60"
    assert second[0] == "second: 60 / 2 = 30"
    assert len(first + second) == 4  # the other jobs go to the worker that is ready first


@pytest.mark.mooq_allow_failures
async def test_a_job_that_fails_twice_is_dead_lettered(mooq_broker, mooq_connection):
    heard, failed = [], asyncio.Event()
    await collect_failures(mooq_connection, heard.append, failed)
    await add_worker(mooq_connection, "worker", heard.append)

    await add_jobs(mooq_connection, [0])
    await mooq_broker.idle()

    assert heard == ["set aside: 0 (rejected by queue jobs)"]
    assert mooq_broker.recorded.requeued.msgs == mooq_broker.recorded.rejected.msgs == [0]


async def test_jobs_wait_for_a_worker(mooq_broker, mooq_connect):
    async with await mooq_connect() as early:
        await add_worker(early, "early", print)
        await add_jobs(early, [5])
    done = []

    await add_worker(await mooq_connect(), "late", done.append)
    await mooq_broker.idle()

    assert done == ["late: 60 / 5 = 12"]
