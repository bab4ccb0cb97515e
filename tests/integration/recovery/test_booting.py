"""Readiness of a node that listens but is still booting."""

from __future__ import annotations

import asyncio

import pytest

import mooq
from mooq.basics.address import Address
from mooq.launchers.readiness import handshake
from mooq.testing.lease import RunningRabbitMQ
from tests.integration.inbox import LONGEST_WAIT
from tests.integration.restarting import ControlledLauncher, own_rabbitmq


@pytest.mark.rabbit
async def test_booting_node_is_not_ready(
    mooq_rabbitmq: RunningRabbitMQ,
) -> None:
    if int(mooq_rabbitmq["version"].partition(".")[0]) < 4:
        pytest.skip("3.10 has no such state; 3.13 is untested")
    async with own_rabbitmq(ControlledLauncher) as (address, _, node):
        place = Address(address["host"], address["port"])
        await node.control("eval", "rabbit_boot_state:set(core_started).")
        with pytest.raises(mooq.BrokerConnectionError) as caught:
            await handshake(place, 0.5)
        assert str(caught.value) == (
            f"cannot connect to {place}: it answers, but is still booting after 0.5 s"
        )
        assert caught.value.transient

        async with asyncio.timeout(LONGEST_WAIT), asyncio.TaskGroup() as tasks:
            tasks.create_task(handshake(place, LONGEST_WAIT))
            await node.control("eval", "rabbit_boot_state:set(ready).")


@pytest.mark.rabbit
async def test_handshake_needs_no_declare_permission() -> None:
    async with own_rabbitmq(ControlledLauncher) as (address, _, node):
        await node.control("add_user", "reader", "secret")
        await node.control("set_permissions", "reader", "^$", "^$", ".*")
        await handshake(
            Address(address["host"], address["port"], username="reader", password="secret"),
            LONGEST_WAIT,
        )
