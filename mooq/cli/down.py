"""`mooq down`: the end of what `mooq up` started."""

from __future__ import annotations

import json

import click

from mooq.address import Address
from mooq.cli import parameters
from mooq.cli.detached import Detached, containers, recorded
from mooq.cli.parameters import json_option, timeout_option
from mooq.cli.running import run
from mooq.errors import BrokerConnectionError

NOTHING_TO_END = 3


@click.command
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1, type=parameters.address)
@timeout_option
@json_option
def down(addresses: tuple[Address, ...], timeout: float, as_json: bool) -> None:
    """End the RabbitMQ that `mooq up` started at each ADDRESS; without one, all of them.

    A port is enough of an address. What docker or process started is removed with its data.
    Exit status 3 says that there was nothing to end, or not at every ADDRESS.
    """
    ended, remarks = run(_down({address.port for address in addresses}, timeout))
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
            click.echo(f"ended RabbitMQ at {node.host}:{node.port} ({node.launcher})")
    ports = {node.port for node in ended}
    missing = [str(address) for address in addresses if address.port not in ports]
    if missing or not ended:
        where = f"at {', '.join(missing)}" if missing else "here"
        said = "; ".join([f"nothing that `mooq up` started runs {where}", *remarks])
        click.echo(f"Error: {said}", err=True)
        raise click.exceptions.Exit(NOTHING_TO_END)


async def _down(ports: set[int], timeout: float) -> tuple[list[Detached], list[str]]:
    """End the nodes at these ports, or all; return them, and why others may not have been seen."""
    found, remarks = recorded(timeout), []
    try:
        found += await containers()
    except BrokerConnectionError as error:
        remarks.append(str(error))
    ended = [node for node in found if not ports or node.port in ports]
    for node in ended:
        await node.end()
    return ended, remarks
