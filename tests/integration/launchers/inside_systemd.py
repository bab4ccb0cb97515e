"""Scenarios of test_systemctl.py that run inside a machine with systemd, one function each.

The program takes the name of a function and prints its result as JSON. It needs only mooq and
mooq's dependencies.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.launchers import RabbitMQBroker
from mooq.transports.rabbit import RabbitTransport

RABBITMQ = "rabbitmq-server.service"  # Debian's name for it
HERE = Address("localhost", 5672)


def broker_of(unit: str, timeout: float = 60) -> RabbitMQBroker:
    return RabbitMQBroker(
        host=HERE.host, port=HERE.port, launcher="systemctl", unit=unit, timeout=timeout
    )


def state_of(unit: str) -> str:
    said = subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True)
    return said.stdout.strip()


def add_unit(name: str, *lines: str) -> None:
    """Add a systemd service, as root."""
    text = "\n".join(["[Service]", *lines, ""])
    subprocess.run(
        ["sudo", "-n", "tee", f"/run/systemd/system/{name}"],
        input=text.encode(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    subprocess.run(["sudo", "-n", "systemctl", "daemon-reload"], check=True)


async def error_of(broker: RabbitMQBroker) -> str:
    try:
        await broker.run()
    except BrokerConnectionError as error:
        return str(error)
    raise AssertionError("it ran")


async def start_restart_close() -> dict[str, object]:
    """Start, restart and stop RabbitMQ, with a connection across the restart."""
    seen: dict[str, object] = {"uid is 0": os.getuid() == 0}
    broker = broker_of(RABBITMQ)
    is_running = asyncio.get_running_loop().create_future()
    await broker.run(is_running)
    seen["after run"] = state_of(RABBITMQ)
    seen["is_running"] = is_running.result()
    transport = RabbitTransport(HERE)
    await transport.open(60)
    await broker.run()
    seen["connection from before the restart"] = "lost" if transport.is_lost else "open"
    seen["after the second run"] = state_of(RABBITMQ)
    await transport.close()
    await broker.close()
    seen["after close"] = state_of(RABBITMQ)
    return seen


async def unknown_unit() -> str:
    """Return the error for a unit that systemd does not know."""
    return await error_of(broker_of("no-such.service"))


async def failing_unit() -> str:
    """Return the error for a unit that dies after writing to its log."""
    add_unit(
        "failing.service", "Type=notify", "ExecStart=/bin/sh -c 'echo the disk is full; exit 3'"
    )
    return await error_of(broker_of("failing.service"))


async def slow_unit() -> dict[str, str]:
    """Return the error for a unit that is not ready in time, and its final state."""
    add_unit("slow.service", "Type=notify", "ExecStart=/bin/sleep 60")
    error = await error_of(broker_of("slow.service", timeout=1))
    return {"error": error, "state": state_of("slow.service")}


if __name__ == "__main__":
    scenarios = (start_restart_close, unknown_unit, failing_unit, slow_unit)
    chosen = {scenario.__name__: scenario for scenario in scenarios}[sys.argv[1]]
    sys.stdout.write(json.dumps(asyncio.run(chosen())))
