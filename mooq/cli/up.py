"""`mooq up`: starts a RabbitMQ that keeps running."""

from __future__ import annotations

import asyncio
import json
import time

import click

from mooq.basics.address import HIGHEST_PORT, LOOPBACK, Address, host_and_port
from mooq.cli.detached import DetachedProcessLauncher, detached_launcher
from mooq.cli.live_line import live_line
from mooq.cli.parameters import json_option, timeout_option
from mooq.cli.runner import Failed, run
from mooq.launchers import RabbitMQBroker
from mooq.launchers.ports import free_port, is_taken
from mooq.launchers.records import NodeRecord, records

LAUNCHERS = ("docker", "process", "systemctl", "service")
SERVICES = ("systemctl", "service")
DEFAULT_UNIT = "rabbitmq.service"
DEFAULT_PORT, DEFAULT_MANAGEMENT_PORT = 5672, 15672


@click.command(short_help="Start a RabbitMQ and print its address.")
@click.option(
    "--launcher",
    type=click.Choice(LAUNCHERS),
    default="docker",
    show_default=True,
    help="Start a container, a process of your own, or the machine's service.",
)
@click.option(
    "--image", help="With docker: the image.  [default: MOOQ_RABBITMQ_IMAGE, else rabbitmq:4]"
)
@click.option("--unit", help=f"With systemctl: the unit's name.  [default: {DEFAULT_UNIT}]")
@click.option(
    "--host",
    help=f"The host to listen on.  [default: {LOOPBACK}, or the host of Docker's engine]",
)
@click.option(
    "--port",
    type=click.IntRange(0, HIGHEST_PORT),
    default=5672,
    show_default=True,
    help="0 chooses a free port.",
)
@click.option(
    "--management-port",
    type=click.IntRange(0, HIGHEST_PORT),
    help="The port of the management API; 0 chooses a free one.  [default: 15672 with port 5672 if "
    "it is free, else 0]",
)
@timeout_option
@json_option
def up(
    launcher: str,
    image: str | None,
    unit: str | None,
    host: str | None,
    port: int,
    management_port: int | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Start a RabbitMQ, wait until it answers, and print its address.

    It keeps running in the background until `mooq down`. --timeout counts from its start, after the
    image was downloaded. If it does not start, or on Ctrl-C, nothing is left running.
    """
    _refuse(image, "--image", "docker", launcher)
    _refuse(unit, "--unit", "systemctl", launcher)
    if port == 0 and launcher in SERVICES:
        raise click.BadParameter(
            f"{launcher} starts RabbitMQ on the port in its configuration; pass that port",
            param_hint="--port",
        )
    if management_port is not None and launcher in SERVICES:
        raise click.BadParameter(
            f"{launcher} uses the port in RabbitMQ's configuration; leave this option out",
            param_hint="--management-port",
        )
    if management_port and management_port == port:
        raise click.UsageError(
            f"--port and --management-port are both {port}; choose another port for one of them"
        )
    address = _address(_host(host, launcher), port or free_port())
    _refuse_a_second_one(address)
    management_port = 0 if launcher in SERVICES else _management_port(address, management_port)
    began = time.monotonic()
    run(_up(launcher, address, image, unit or DEFAULT_UNIT, timeout, management_port))
    seconds = round(time.monotonic() - began, 2)
    click.echo(f"Ready after {seconds} s. Stop it with: mooq down {address.port}", err=True)
    result = {
        "address": f"amqp://{address.username}:{address.password}@{address}",
        "host": address.host,
        "port": address.port,
        "launcher": launcher,
        "management": host_and_port(address.host, management_port) if management_port else "",
        "seconds": seconds,
    }
    click.echo(json.dumps(result) if as_json else result["address"])


async def _up(
    launcher: str,
    address: Address,
    image: str | None,
    unit: str,
    timeout: float,
    management_port: int,
) -> None:
    node = detached_launcher(launcher, address, image, unit, timeout, management_port)
    broker = RabbitMQBroker(host=address.host, port=address.port, launcher=node, timeout=timeout)
    with live_line(f"starting RabbitMQ at {address} with {launcher}"):
        try:
            await broker.run()
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--host") from error
    if isinstance(node, DetachedProcessLauncher):
        node.let_go()
    elif launcher in SERVICES:
        NodeRecord(launcher, address.host, address.port, unit=unit).save()


def _host(host: str | None, launcher: str) -> str:
    """Return the host to listen on: this machine, or the host of Docker's engine."""
    if host is not None or launcher != "docker":
        return LOOPBACK if host is None else host
    from mooq.launchers.docker_host import find_docker_host

    async def found() -> str:  # in a thread, so that a signal works while the engine hangs
        return (await asyncio.to_thread(find_docker_host, "start RabbitMQ")).host

    return run(found())


def _management_port(address: Address, wanted: int | None) -> int:
    """Return the port of the management API. Raises :class:`Failed` if it is taken."""
    if wanted and is_taken(Address(LOOPBACK, wanted)):
        raise Failed(
            f"port {wanted} is already in use; stop the program that uses it, or choose another "
            "--management-port"
        )
    usual = DEFAULT_MANAGEMENT_PORT
    if wanted is None and address.port == DEFAULT_PORT and not is_taken(Address(LOOPBACK, usual)):
        return usual
    return wanted or free_port()


def _refuse_a_second_one(address: Address) -> None:
    """Fail if `mooq up` has already started a RabbitMQ at this port."""
    for record in records():
        if (record.host, record.port) == (address.host, address.port) and is_taken(address):
            raise Failed(
                f"`mooq up` has already started a RabbitMQ on port {address.port} with "
                f"{record.launcher}: use it at amqp://guest:guest@{address}, stop it with `mooq "
                f"down {address.port}`, or choose another --port"
            )


def _refuse(value: str | None, option: str, its_launcher: str, launcher: str) -> None:
    if value is not None and launcher != its_launcher:
        raise click.UsageError(f"{option} requires --launcher {its_launcher}, not {launcher}")
    if value == "":
        raise click.BadParameter("must not be empty", param_hint=option)


def _address(host: str, port: int) -> Address:
    try:
        return Address(host, port)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--host") from error
