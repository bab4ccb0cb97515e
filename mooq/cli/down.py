"""`mooq down`: stops what `mooq up` started."""

from __future__ import annotations

import json

import click

from mooq.basics.address import Address, host_and_port
from mooq.cli import parameters
from mooq.cli.detached import Detached, containers, recorded
from mooq.cli.parameters import json_option, timeout_option
from mooq.cli.runner import Failed, run
from mooq.errors import BrokerConnectionError

NOTHING_TO_END = 3


@click.command(short_help="Stop what `mooq up` started.")
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1, type=parameters.address)
@timeout_option
@json_option
def down(addresses: tuple[Address, ...], timeout: float, as_json: bool) -> None:
    """Stop the RabbitMQ that `mooq up` started at each ADDRESS, or all of them without ADDRESS.

    An ADDRESS can be just a port. A container or process is removed with its data. Exit status 3
    means that there was nothing to stop, or nothing at one ADDRESS; 1 that Docker's engine did not
    answer.
    """
    ended, unknown = run(_down({address.port for address in addresses}, timeout))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "ended": [
                        {"host": node.host, "port": node.port, "launcher": node.launcher}
                        for node in ended
                    ]
                }
            )
        )
    else:
        for node in ended:
            where = host_and_port(node.host, node.port)
            click.echo(f"Stopped RabbitMQ at {where} ({node.launcher})")
    ports = {node.port for node in ended}
    missing = [str(address) for address in addresses if address.port not in ports]
    if unknown and (missing or not addresses):
        where = f" at {', '.join(missing)}" if missing else ""
        said = f"cannot tell whether a container is running{where}: {unknown}"
        if missing or not ended:
            raise Failed(said)
        click.echo(f"Warning: {said}", err=True)
    if missing or not ended:
        where = f"at {', '.join(missing)}" if missing else "here"
        click.echo(f"Error: no RabbitMQ started by `mooq up` is running {where}", err=True)
        raise click.exceptions.Exit(NOTHING_TO_END)


async def _down(ports: set[int], timeout: float) -> tuple[list[Detached], str]:
    """Stop the nodes at these ports, or all; return them, and why some may be missing."""
    found, unknown = recorded(timeout), ""
    try:
        found += await containers()
    except BrokerConnectionError as error:
        unknown = str(error)
    ended = [node for node in found if not ports or node.port in ports]
    for node in ended:
        await node.end()
    return ended, unknown
