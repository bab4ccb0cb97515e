"""Tests without an event loop, or with one of anyio or unittest."""

from __future__ import annotations

import pytest

from mooq.testing.lease import RunningRabbitMQ
from tests.integration.inner_run import NOWHERE, Run, named, run

__all__ = ["run"]  # a fixture

ON_ANYIO = """
    import aio_pika
    import pytest

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.fixture
    async def connection(mooq_broker):
        async with await aio_pika.connect(mooq_broker.url) as connection:
            yield connection

    async def test_client(mooq_broker, connection):
        channel = await connection.channel()
        await channel.declare_queue("q")
        await channel.default_exchange.publish(aio_pika.Message(b"1"), "q")
        await mooq_broker.idle()
        assert mooq_broker.recorded.published

    async def test_api(mooq_channel, mooq_broker):
        await mooq_channel.declare_queue("q")
        await mooq_channel.publish(exchange_name="", routing_key="q", msg=1)
        await mooq_broker.idle()
"""
PLAIN = """
    import unittest

    import aio_pika
    import pika
    from mooq.testing import running_broker

    def publish(url):
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("q")
            channel.basic_publish("", "q", b"1")

    def test_function(mooq_broker):
        publish(mooq_broker.url)
        mooq_broker.idle()
        assert mooq_broker.recorded.published

    def test_shared(mooq_session_broker, mooq_module_broker):
        publish(mooq_session_broker.url)
        mooq_session_broker.wait_for("published")
        publish(mooq_module_broker.url)
        mooq_module_broker.idle()

    def test_faults(mooq_faults, mooq_broker):
        publish(mooq_broker.url)
        mooq_faults.vanish()
        try:
            publish(mooq_broker.url)
        except pika.exceptions.AMQPConnectionError:
            pass
        else:
            raise AssertionError

    class TestPlain(unittest.TestCase):
        def setUp(self):
            self.broker = self.enterContext(running_broker())

        def test_method(self):
            publish(self.broker.url)
            self.broker.idle()

    class TestLoop(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.broker = await self.enterAsyncContext(running_broker())

        async def test_method(self):
            async with await aio_pika.connect(self.broker.url) as connection:
                await (await connection.channel()).declare_queue("q")
            await self.broker.idle()
"""


def test_anyio_plugin_runs_the_fixtures(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    run.ini()
    status, printed = run(ON_ANYIO, "-p", "no:asyncio", *named(mooq_rabbitmq))
    assert status == 0, printed
    assert "4 passed" in printed


@pytest.mark.parametrize("options", [(), ("-p", "no:asyncio", "-p", "no:anyio")])
def test_plain_functions_need_no_event_loop(
    run: Run, mooq_rabbitmq: RunningRabbitMQ, options: tuple[str, ...]
) -> None:
    run.ini(*([] if options else ["asyncio_default_fixture_loop_scope = function"]))
    status, printed = run(PLAIN, *options, *named(mooq_rabbitmq))
    assert status == 0, printed
    assert "8 passed" in printed


def test_in_memory_backend_needs_no_docker(run: Run) -> None:
    status, printed = run(PLAIN, "--mooq-backend=in_memory", "-n2", DOCKER_HOST=NOWHERE)
    assert status == 0, printed
    assert "5 passed" in printed
