"""`mooq status`: lists the running brokers that `mooq up` started."""

from __future__ import annotations

import json

import click

from mooq.cli.detached import Detached, containers, recorded
from mooq.cli.parameters import json_option
from mooq.cli.runner import Failed, run
from mooq.errors import BrokerConnectionError

NOTHING_RUNS = 3


@click.command(short_help="List what `mooq up` started.")
@json_option
def status(as_json: bool) -> None:
    """List each running RabbitMQ that `mooq up` started.

    Exit status 3 means that there is none, 1 that Docker's engine did not answer.
    """
    found, unknown = run(_status())
    if as_json:
        click.echo(json.dumps({"running": [_described(node) for node in found]}))
    else:
        for node in found:
            management = f", management at {node.management}" if node.management else ""
            click.echo(f"{node.url} ({node.launcher}{management})")
    if unknown:
        raise Failed(f"cannot list running containers: {unknown}")
    if not found:
        click.echo("No RabbitMQ started by `mooq up` is running here.", err=True)
        raise click.exceptions.Exit(NOTHING_RUNS)


async def _status() -> tuple[list[Detached], str]:
    """Return the running nodes, and why containers may be missing."""
    found = recorded(timeout=1.0)
    try:
        return [*found, *await containers()], ""
    except BrokerConnectionError as error:
        return found, str(error)


def _described(node: Detached) -> dict[str, object]:
    return {
        "address": node.url,
        "host": node.host,
        "port": node.port,
        "launcher": node.launcher,
        "management": node.management,
    }
