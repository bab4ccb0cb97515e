"""`mooq up`: a broker that outlives the command."""

from __future__ import annotations

import json
import time

import click

from mooq.address import HIGHEST_PORT, Address
from mooq.cli.detached import DetachedProcessLauncher, detached_launcher
from mooq.cli.live_line import live_line
from mooq.cli.parameters import LOOPBACK, json_option, timeout_option
from mooq.cli.records import Record
from mooq.cli.running import run
from mooq.rabbitmq_broker import RabbitMQBroker
from mooq.rabbitmq_broker.ports import free_port

LAUNCHERS = ("docker", "process", "systemctl", "service")
SERVICES = ("systemctl", "service")
DEFAULT_UNIT = "rabbitmq.service"


@click.command
@click.option(
    "--launcher",
    type=click.Choice(LAUNCHERS),
    default="docker",
    show_default=True,
    help="How: a container, a process of your own, or the machine's service.",
)
@click.option("--image", help="With docker: MOOQ_RABBITMQ_IMAGE, else rabbitmq:4, unless given.")
@click.option("--unit", help=f"With systemctl: the unit's name.  [default: {DEFAULT_UNIT}]")
@click.option("--host", default=LOOPBACK, show_default=True, help="Where it listens.")
@click.option(
    "--port",
    type=click.IntRange(0, HIGHEST_PORT),
    default=5672,
    show_default=True,
    help="0 for one that is free.",
)
@timeout_option
@json_option
def up(
    launcher: str,
    image: str | None,
    unit: str | None,
    host: str,
    port: int,
    timeout: float,
    as_json: bool,
) -> None:
    """Start a RabbitMQ, wait until it answers, and print its address.

    It goes on running, detached, until `mooq down`. --timeout counts from its start, after an
    image was downloaded. When it does not come up, or at Ctrl-C, nothing is left running.
    """
    _refuse(image, "--image", "docker", launcher)
    _refuse(unit, "--unit", "systemctl", launcher)
    if port == 0 and launcher in SERVICES:
        raise click.BadParameter(
            f"{launcher} starts RabbitMQ at a port that its configuration sets; name that one",
            param_hint="--port",
        )
    address = _address(host, port or free_port())
    began = time.monotonic()
    run(_up(launcher, address, image, unit or DEFAULT_UNIT, timeout))
    seconds = round(time.monotonic() - began, 2)
    click.echo(f"Ready after {seconds} s; to end it: mooq down {address.port}", err=True)
    result = {
        "address": f"amqp://{address.username}:{address.password}@{address}",
        "host": address.host,
        "port": address.port,
        "launcher": launcher,
        "seconds": seconds,
    }
    click.echo(json.dumps(result) if as_json else result["address"])


async def _up(
    launcher: str, address: Address, image: str | None, unit: str, timeout: float
) -> None:
    node = detached_launcher(launcher, address, image, unit, timeout)
    broker = RabbitMQBroker(host=address.host, port=address.port, launcher=node, timeout=timeout)
    with live_line(f"starting RabbitMQ at {address} by {launcher}"):
        try:
            await broker.run()
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--host") from error
    if isinstance(node, DetachedProcessLauncher):
        node.let_go()
    elif launcher in SERVICES:
        Record(launcher, address.host, address.port, unit=unit).save()


def _refuse(value: str | None, option: str, its_launcher: str, launcher: str) -> None:
    if value is not None and launcher != its_launcher:
        raise click.UsageError(f"{option} goes with --launcher {its_launcher}, not {launcher}")
    if value == "":
        raise click.BadParameter("is empty", param_hint=option)


def _address(host: str, port: int) -> Address:
    try:
        return Address(host, port)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--host") from error
