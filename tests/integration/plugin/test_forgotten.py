"""Calls that a test forgot to await fail that test and are named."""

from __future__ import annotations

import pytest

from mooq.testing.lease import RunningRabbitMQ
from tests.integration.inner_run import Run, named, run

__all__ = ["run"]  # a fixture

FORGETFUL = """
    import mooq

    async def test_publishing(mooq_broker, mooq_channel):
        await mooq_channel.register_producer(exchange_name="log", exchange_type="fanout")
        mooq_channel.publish(exchange_name="log", msg="hello")

    async def test_connecting(mooq_broker):
        mooq.connect(**mooq_broker.arguments)

    async def test_other_failure(mooq_broker, mooq_connection):
        mooq_connection.process_events()
        assert mooq_broker.recorded.published.msgs == ["hello"]

    async def test_of_other_coroutines(mooq_broker):
        async def of_the_test():
            pass
        of_the_test()
"""
WHAT_TO_DO = "was called and never awaited, so it did nothing: add `await`"


@pytest.mark.rabbit
def test_forgotten_await_fails_the_test(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    status, printed = run(FORGETFUL, *named(mooq_rabbitmq), "-W", "default")

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "6 failed, 2 passed" in printed
    for call in ("Channel.publish", "connect"):
        assert printed.count(f"\n{call}(…) {WHAT_TO_DO}, perhaps at ") == 2
    assert printed.count(f"E  {' ' * 5}Connection.process_events(…) {WHAT_TO_DO}") == 2
    assert "test_inner.py:6" in printed
    assert "coroutine 'test_of_other_coroutines.<locals>.of_the_test' was never aw" in printed


def test_forgotten_await_fails_with_warnings_as_errors(run: Run) -> None:
    status, printed = run(FORGETFUL, "--mooq-backend=in_memory", "-k", "publishing")

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "coroutine 'Channel.publish' was never awaited" in printed
