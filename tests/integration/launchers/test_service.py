"""The service launcher, which restarts and stops this machine's RabbitMQ service."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.launchers import RabbitMQBroker
from mooq.launchers.commands import SYSTEM_FOLDERS
from mooq.launchers.ports import check_free
from mooq.transports.rabbit import RabbitTransport
from tests.integration.inbox import LONGEST_WAIT
from tests.shared_broker import leave_out

HERE = Address("localhost", 5672)

pytestmark = [pytest.mark.rabbit, pytest.mark.xdist_group("port 5672 of this machine")]


@pytest.fixture(autouse=True)
def _a_service_that_nobody_uses() -> None:
    installed = Path("/etc/init.d/rabbitmq-server").exists()
    service = shutil.which("service", path=f"{os.environ['PATH']}:{SYSTEM_FOLDERS}")
    if not installed or service is None:
        leave_out(
            "the service launcher needs RabbitMQ as a service of this machine; "
            "`apt-get install rabbitmq-server && service rabbitmq-server stop`, run as root, "
            "brings it in"
        )
    if os.geteuid() != 0 and subprocess.run(["sudo", "-n", "true"], check=False).returncode != 0:
        leave_out("the service launcher needs root, or `sudo` without a password")
    for port in (5672, 25672):  # AMQP's, and that of Erlang's distribution
        try:
            socket.create_server(("", port)).close()
        except OSError:
            leave_out(
                f"something listens at port {port}, perhaps a RabbitMQ that somebody uses; "
                "`service rabbitmq-server stop`, run as root, ends it"
            )


async def test_service_broker_starts_restarts_and_closes() -> None:
    broker = RabbitMQBroker(host="localhost", port=5672, launcher="service")
    stranger = RabbitMQBroker(host="localhost", port=5672, launcher="service", password="wrong")
    is_running = asyncio.get_running_loop().create_future()
    transport, ended = RabbitTransport(HERE), asyncio.Event()
    transport.on_lost = ended.set
    try:
        await broker.run(is_running)
        assert is_running.result() is None
        await transport.open(LONGEST_WAIT)

        # The restart fails on the login at once, and the service is stopped.
        with pytest.raises(BrokerConnectionError, match="refused the login of user 'guest'") as no:
            await stranger.run()
        assert ended.is_set()
        assert not no.value.transient
        with pytest.raises(BrokerConnectionError, match="nothing listens there"):
            await transport.open(LONGEST_WAIT)
    finally:
        await transport.close()
        await stranger.close()
        await broker.close()
    await check_free(HERE)
