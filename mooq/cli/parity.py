"""`mooq parity`: compares the in-memory broker with a RabbitMQ."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom
from time import monotonic
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mooq.basics.address import Address
from mooq.basics.wording import counted, in_seconds
from mooq.broker.versions import VERSIONS
from mooq.cli import parameters
from mooq.cli.parameters import json_option
from mooq.cli.runner import Failed, run
from mooq.client.in_memory import InMemoryBroker

if TYPE_CHECKING:
    from mooq.parity.ledger import Entry, Progress, Result

MISSING = "mooq parity needs hypothesis; install it with: pip install 'mooq[parity]'"
DIFFERENT = 1
PARTS = 10  # progress lines if there is no terminal


@click.command(short_help="Compare the in-memory broker with a RabbitMQ.")
@click.option(
    "--against",
    type=parameters.address,
    envvar="MOOQ_RABBITMQ_URL",
    default="127.0.0.1:5672",
    show_default=True,
    help="The RabbitMQ to compare with; or set MOOQ_RABBITMQ_URL.",
)
@click.option(
    "--served",
    type=click.Choice(list(VERSIONS)),
    help="Compare with the in-memory broker over AMQP, following this version.",
)
@click.option(
    "--operations",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="The number of operations, at least.",
)
@click.option(
    "--seed", type=click.IntRange(0), help="Repeat the programs of this seed.  [default: a new one]"
)
@click.option(
    "-n",
    "--workers",
    type=click.IntRange(1),
    help="The number of processes.  [default: one per processor]",
)
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A JSON file to add the run to.",
)
@click.option(
    "--wire",
    is_flag=True,
    help="Compare AMQP frames instead of mooq's API.",
)
@json_option
@click.pass_context
def parity(
    context: click.Context,
    against: Address,
    served: str | None,
    operations: int,
    seed: int | None,
    workers: int | None,
    ledger: Path | None,
    wire: bool,
    as_json: bool,
) -> None:
    """Run random programs in memory and on a RabbitMQ, and compare the results.

    Programs declare, consume, publish, get, fail, close and lose connections. On the RabbitMQ they
    use unique names, and delete everything that they create. A program on which the brokers differ
    is shortened as far as possible, and shown with both results and as a test.

    --wire sends AMQP methods on several connections and channels, and compares every frame that
    comes back.

    --served compares mooq's two transports to the in-memory broker, direct calls and AMQP, and
    needs no RabbitMQ. Exit status 1 means that they differ.
    """
    given = context.get_parameter_source("against")
    if served is not None and given is ParameterSource.COMMANDLINE:
        raise click.UsageError(
            "--against cannot be combined with --served, which serves a broker itself; leave one "
            "of them out"
        )
    try:
        from mooq.parity.ledger import measure, table, write
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise Failed(MISSING) from error
    seed = SystemRandom().randrange(10**6) if seed is None else seed
    workers = workers or os.cpu_count() or 1
    known = [] if ledger is None else _runs_in(ledger, served)

    async def measured(against: Address) -> Result:
        click.echo(
            f"Comparing with {against}, seed {seed}, {counted(workers, 'process', 'processes')}",
            err=True,
        )
        return await measure(
            against,
            operations,
            seed,
            workers,
            _progress(),
            "AMQP" if wire else "API",
            for_ledger=ledger is not None,
        )

    with _serving(served) as own:
        result = run(measured(own or against))
    for divergence in result.divergences:
        click.echo(str(divergence), err=as_json)
    for divergence in result.unrepeated:
        click.echo("Not counted, because a second run did not reproduce it:", err=as_json)
        click.echo(str(divergence), err=as_json)
    if ledger is not None:
        write([*known, result.entry], ledger)
    if as_json:
        click.echo(json.dumps(asdict(result.entry)))
    else:
        rate = result.entry.operations / max(result.entry.seconds, 0.1)
        entry, kind = result.entry, result.peer.kind
        click.echo(_summary(entry, kind) if sys.stdout.isatty() else table([entry], kind))
        click.echo(f"{in_seconds(result.entry.seconds)}, {rate:,.0f} operations a second")
    if result.divergences:
        sys.exit(DIFFERENT)


def _summary(entry: Entry, kind: str) -> str:
    """Return the result for a terminal; a file gets a Markdown table."""
    lines = {
        kind: entry.rabbitmq,
        "operations": f"{entry.operations:,}",
        "programs": f"{entry.programs:,}",
        "divergences": f"{entry.divergences:,}",
        "seen once": f"{entry.unrepeated:,}",
        "seed": str(entry.seed),
    }
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}} {value}" for name, value in lines.items())


@contextlib.contextmanager
def _serving(version: str | None) -> Iterator[Address | None]:
    """If a version is named, serve the in-memory broker at a free port; yield the address."""
    if version is None:
        yield None
        return
    with InMemoryBroker(host="parity", port=5672, version=version) as broker:
        yield Address.from_url(broker.url)


def _runs_in(ledger: Path, served: str | None) -> list[Entry]:
    """Return the runs of a ledger; a bad ledger is reported before the run starts."""
    from mooq.parity.ledger import read

    if served is not None:
        raise click.BadParameter(
            "cannot be combined with --served: a ledger records only runs on RabbitMQ",
            param_hint="--ledger",
        )

    if not ledger.parent.is_dir():
        raise click.BadParameter(f"folder {ledger.parent} does not exist", param_hint="--ledger")
    try:
        return read(ledger) if ledger.exists() else []
    except (ValueError, TypeError) as error:
        raise click.BadParameter(
            f"{ledger} is not a ledger of mooq parity; name another file", param_hint="--ledger"
        ) from error


def _progress() -> Progress:
    """Return a progress reporter for stderr: one line on a terminal, else ten lines."""
    began = monotonic()
    is_terminal = sys.stderr.isatty()
    told = 0

    def show(done: int, wanted: int, found: int) -> None:
        nonlocal told
        rate = done / max(monotonic() - began, 0.001)
        text = (
            f"{done:,} of {counted(wanted, 'operation')}, {counted(found, 'divergence')}, "
            f"{rate:,.0f} a second"
        )
        if is_terminal:
            click.echo(f"\r{text}\033[K", err=True, nl=done >= wanted)
        elif done * PARTS // wanted > told:
            told = done * PARTS // wanted
            click.echo(text, err=True)

    return show
