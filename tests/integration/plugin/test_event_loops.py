"""Projects whose fixtures and tests run in different event loops."""

from __future__ import annotations

import re

import pytest

from tests.integration.inner_run import Run, run

__all__ = ["run"]  # a fixture

FIXTURES_AND_TESTS_IN_DIFFERENT_LOOPS = """
    async def test_publish(mooq_channel):
        await mooq_channel.register_producer(exchange_name="log", exchange_type="fanout")

    async def test_process(mooq_connection):
        await mooq_connection.process_events(num_cycles=1)

    async def test_connect(mooq_broker):
        await mooq_broker.connect()
"""


@pytest.mark.parametrize("backend", ["in_memory", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def test_fixtures_in_another_loop_fail_with_a_remedy(run: Run, backend: str) -> None:
    run.ini("asyncio_mode = auto", "asyncio_default_fixture_loop_scope = session")
    status, printed = run(FIXTURES_AND_TESTS_IN_DIFFERENT_LOOPS, f"--mooq-backend={backend}")
    assert status == 1
    assert "3 failed" in printed
    assert "error" not in printed.splitlines()[-1]
    told = re.findall(r"^E +RuntimeError: (.*?) belongs to event loop", printed, re.MULTILINE)
    assert len(told) == 3, told
    assert "set asyncio_default_fixture_loop_scope = function in the ini file" in printed
    assert "is the broker running?" not in printed
