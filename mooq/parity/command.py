"""``mooq parity``: run programs against a RabbitMQ, and say whether the brokers agree."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from time import monotonic

from mooq.address import Address
from mooq.errors import BrokerConnectionError
from mooq.parity.report import explained

OK, DIFFERENT, IMPOSSIBLE = 0, 1, 2
MISSING = "mooq parity has its programs written by hypothesis: pip install 'mooq[parity]'"


def run(
    against: str = "amqp://guest:guest@localhost:5672",
    operations: int = 2000,
    seed: int | None = None,
    workers: int | None = None,
    ledger: Path | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Compare the in-memory broker with a RabbitMQ and return the exit code of the command.

    - ``against``: ``amqp://user:password@host:port/virtual_host`` of a RabbitMQ that runs. Queues
      and exchanges are made there under names that nobody has, and deleted again
    - ``operations``: how many to run, 1 or more
    - ``seed``: what the programs are written from; a new one, which is printed, for None
    - ``workers``: how many processes; as many as there are processors for None
    - ``ledger``: a JSON file to which the run is added
    - ``say``: where lines go; progress goes to standard error

    Returns 0 when the brokers agree, 1 when they differ, having said on which programs, and 2
    when there is no RabbitMQ or no hypothesis. Raises ``ValueError`` for other arguments.
    """
    if operations < 1:
        raise ValueError(f"operations must be 1 or more, not {operations}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, not {workers}")
    address = Address.from_url(against)
    seed = SystemRandom().randrange(10**6) if seed is None else seed
    workers = workers or os.cpu_count() or 1
    try:
        from mooq.parity.ledger import add, measure, read, table
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        say(MISSING)
        return IMPOSSIBLE
    try:
        result = measure(address, operations, seed, workers, _progress())
    except BrokerConnectionError as error:
        say(str(error))
        return IMPOSSIBLE
    for divergence in result.divergences:
        say(explained(divergence))
    for divergence in result.unrepeated:
        say("This was seen once and did not repeat; it does not count as a divergence:")
        say(explained(divergence))
    say(table([result.entry]))
    rate = result.entry.operations / max(result.entry.seconds, 0.1)
    say(f"{result.entry.seconds:g} s, {rate:,.0f} operations a second by {workers} processes")
    if ledger is not None:
        add(result.entry, ledger)
        say(f"{len(read(ledger))} runs in {ledger}")
    return DIFFERENT if result.divergences else OK


def _progress() -> Callable[[int, int, int], None]:
    """Return what shows progress on standard error, and on one line if that is a terminal."""
    began = monotonic()
    is_terminal = sys.stderr.isatty()

    def show(done: int, wanted: int, found: int) -> None:
        rate = done / max(monotonic() - began, 0.001)
        text = f"{done:,} of {wanted:,} operations, {found} divergences, {rate:,.0f} a second"
        sys.stderr.write(f"\r{text}\033[K" if is_terminal else f"{text}\n")
        if is_terminal and done >= wanted:
            sys.stderr.write("\n")
        sys.stderr.flush()

    return show
