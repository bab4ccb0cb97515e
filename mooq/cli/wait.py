"""`mooq wait`: waits for a RabbitMQ, instead of ``sleep 20``."""

from __future__ import annotations

import json
import time
from functools import partial

import click

from mooq.basics.address import Address
from mooq.basics.wording import in_seconds
from mooq.cli import parameters
from mooq.cli.live_line import live_line
from mooq.cli.parameters import json_option, timeout_option
from mooq.cli.runner import run
from mooq.launchers.readiness import handshake, wait_until_ready


@click.command(short_help="Wait until a RabbitMQ answers.")
@click.argument("address", type=parameters.address, envvar="MOOQ_RABBITMQ_URL")
@timeout_option
@json_option
def wait(address: Address, timeout: float, as_json: bool) -> None:
    """Wait until RabbitMQ at ADDRESS answers, that is, until an AMQP login and a channel succeed.

    ADDRESS is amqp://user:password@host:port/virtual_host, host:port, or a port of this machine.
    You can set the environment variable MOOQ_RABBITMQ_URL instead, which keeps a password off the
    command line.

    Fails at once if waiting cannot help: the login is refused, or the virtual host does not exist.
    """
    began = time.monotonic()
    run(_wait(address, timeout))
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        click.echo(json.dumps({"host": address.host, "port": address.port, "seconds": seconds}))
    else:
        click.echo(f"RabbitMQ at {address} answered after {seconds} s")


async def _wait(address: Address, timeout: float) -> None:
    with live_line(f"waiting up to {in_seconds(timeout)} for RabbitMQ at {address} to answer"):
        await wait_until_ready(partial(handshake, address), None, timeout)
