"""Teardown of tests with unfinished callbacks or reconnections: quick and reported."""

from __future__ import annotations

import re

import pytest

from tests.integration.inner_run import Run, named, run

__all__ = ["run"]

SOON = 3.0
"""Upper limit of a teardown in seconds; waiting for the callback would take 10."""

HANGING = """
    import asyncio

    async def test_hanging(mooq_broker, mooq_channel):
        async def hang(message):
            await asyncio.Event().wait()

        await mooq_channel.register_consumer(
            "q", exchange_name="log", exchange_type="fanout", callback=hang
        )
        await mooq_channel.publish(exchange_name="log", msg=1)
        await mooq_broker.idle(timeout=0.1)
"""
RECOVERING = """
    import asyncio

    async def test_recovering(mooq_faults, mooq_connection, mooq_channel):
        async def ignore(message):
            pass

        await mooq_channel.register_consumer(
            "q", exchange_name="log", exchange_type="fanout", callback=ignore
        )
        processing = asyncio.create_task(mooq_connection.process_events())
        await mooq_channel.publish(exchange_name="log", msg=1)
        mooq_faults.vanish()
        await asyncio.wait([processing], timeout=0.05)
        assert not processing.done()
        {last_line}
"""


@pytest.mark.parametrize("backend", ["in_memory", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def test_teardown_cancels_a_hanging_callback(
    run: Run, request: pytest.FixtureRequest, backend: str
) -> None:
    status, printed = run(HANGING, *options(request, backend), "--durations=0", "-vv")
    assert status == pytest.ExitCode.TESTS_FAILED, printed
    assert "last seen: 1 callback still running: mooq callback" in printed
    assert re.search(r"mooq callback \S*hang was cancelled: it did not finish within", printed), (
        printed
    )
    assert teardown_seconds(printed) < SOON
    assert "ERROR at teardown" not in printed


@pytest.mark.parametrize("backend", ["in_memory", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def test_teardown_ends_an_unfinished_recovery(
    run: Run, request: pytest.FixtureRequest, backend: str
) -> None:
    tests = RECOVERING.format(last_line='assert False, "on purpose"')
    status, printed = run(tests, *options(request, backend), "--durations=0", "-vv")
    assert status == pytest.ExitCode.TESTS_FAILED, printed
    assert "was closed while it was recovering" in printed
    assert teardown_seconds(printed) < SOON
    status, printed = run(RECOVERING.format(last_line=""), *options(request, backend))
    assert status == pytest.ExitCode.OK, printed


def options(request: pytest.FixtureRequest, backend: str) -> list[str]:
    """Return the options for an inner run on one broker; it shares this run's RabbitMQ."""
    rabbitmq = named(request.getfixturevalue("mooq_rabbitmq")) if backend == "rabbit" else []
    return [f"--mooq-backend={backend}", *rabbitmq]


def teardown_seconds(printed: str) -> float:
    """Return the duration of the teardown."""
    return sum(float(seconds) for seconds in re.findall(r"([\d.]+)s teardown", printed))
