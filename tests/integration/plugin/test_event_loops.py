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


@pytest.mark.parametrize("scope", ["session", "package", "module", "class"])
@pytest.mark.parametrize(
    "setting",
    [
        "asyncio_default_fixture_loop_scope = function",
        "asyncio_default_fixture_loop_scope = session",
    ],
)
def test_shared_broker_in_another_loop_names_both_settings(
    run: Run, scope: str, setting: str
) -> None:
    run.ini("asyncio_mode = auto", setting)
    tests = f"async def test(mooq_{scope}_broker):\n    await mooq_{scope}_broker.connect()\n"
    status, printed = run(tests, "--mooq-backend=in_memory")
    assert status == 1
    assert f"the broker of this {scope} belongs to event loop" in printed
    remedy = ("asyncio_default_fixture_loop_scope = session", "default_test_loop_scope = session")
    assert all(line in printed for line in remedy)
    assert "asyncio_default_fixture_loop_scope = function in" not in printed

    run.ini("asyncio_mode = auto", remedy[0], f"asyncio_{remedy[1]}")
    status, printed = run(tests, "--mooq-backend=in_memory")
    assert status == 0, printed


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
