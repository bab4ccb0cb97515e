"""running_broker() in unittest classes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mooq.testing.lease import RunningRabbitMQ

TESTS = """
import os, sys, unittest
from mooq.testing import running_broker

class TestService(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.broker = await self.enterAsyncContext(running_broker({arguments}))
        self.channel = await (await self.broker.connect()).create_channel()

    async def consume(self, callback):
        await self.channel.register_consumer(
            "q", exchange_name="log", exchange_type="fanout", callback=callback
        )
        await self.channel.publish(exchange_name="log", msg=1)

    async def test_consumes(self):
        heard = []
        async def hear(message):
            heard.append(message["msg"])
        await self.consume(hear)
        await self.broker.idle()
        self.assertEqual(heard, [1])
        self.assertNotIn("pytest", sys.modules)

    async def test_has_its_own_queues(self):
        heard = []
        async def hear(message):
            heard.append(message["msg"])
        await self.consume(hear)
        await self.broker.idle()
        self.assertEqual(heard, [1])

    async def test_fails(self):
        async def fail(message):
            raise ValueError("on purpose")
        await self.consume(fail)
        with self.assertRaises(ValueError):
            await self.broker.idle()

if __name__ == "__main__":
    unittest.main()
"""


@pytest.mark.parametrize("backend", ["in_memory", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def test_running_broker_works_in_unittest_classes(
    tmp_path: Path, request: pytest.FixtureRequest, backend: str
) -> None:
    arguments = ""
    if backend == "rabbit":
        rabbitmq: RunningRabbitMQ = request.getfixturevalue("mooq_rabbitmq")
        login = f"{rabbitmq['username']}:{rabbitmq['password']}"
        url = f"amqp://{login}@{rabbitmq['host']}:{rabbitmq['port']}"
        port = rabbitmq["management"].rpartition(":")[2]
        arguments = f"{url!r}, management_port={port}"
    program = tmp_path / "test_service.py"
    program.write_text(TESTS.format(arguments=arguments))
    ran = subprocess.run(
        [sys.executable, "-W", "error", program],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert ran.returncode == 0, ran.stderr
    assert "Ran 3 tests" in ran.stderr
