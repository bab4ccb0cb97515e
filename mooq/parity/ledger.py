"""The ledger: a record of searches against RabbitMQ, which run in several processes."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from time import monotonic
from typing import Literal, TypeAlias

from mooq.basics.address import Address
from mooq.basics.wording import counted
from mooq.errors import MooqError
from mooq.parity.search import ApiComparison, Difference, Findings, Search
from mooq.parity.targets import RabbitMQ

RABBITMQ = "RabbitMQ"
CHUNK = 1000  # operations that a process runs at a time

Level: TypeAlias = Literal["API", "AMQP"]


@dataclass(frozen=True)
class Entry:
    """A run in the ledger; ``seconds`` is its duration.

    ``level`` tells whether programs consist of calls of mooq's API or of AMQP methods.
    """

    date: str
    rabbitmq: str
    seed: int
    operations: int
    programs: int
    divergences: int
    unrepeated: int
    seconds: float
    workers: int
    level: Level = "API"


@dataclass(frozen=True)
class Peer:
    """The broker at an address, with which the in-memory broker is compared.

    ``is_mooq`` tells that it is the in-memory broker itself, served over AMQP as a ``version``.
    """

    version: str
    is_mooq: bool

    @property
    def kind(self) -> str:
        """The heading of its version, which names the broker."""
        return "mooq over AMQP, as" if self.is_mooq else RABBITMQ


class NotRabbitMQ(MooqError):
    """A run on mooq's own broker was to be recorded as a run on RabbitMQ."""


@dataclass(frozen=True)
class Result:
    """A run's entry, its peer, and the programs on which the brokers differ."""

    entry: Entry
    peer: Peer
    divergences: list[Difference]
    unrepeated: list[Difference]


Progress = Callable[[int, int, int], None]
"""Called with the operations done, the operations wanted and the divergences found so far."""


async def peer_at(address: Address) -> Peer:
    """Return the broker at an address; raise BrokerConnectionError without one."""
    rabbitmq = RabbitMQ(address)
    await rabbitmq.begin()
    await rabbitmq.close()
    return Peer(rabbitmq.version, rabbitmq.is_mooq)


async def measure(
    address: Address,
    operations: int,
    seed: int,
    workers: int,
    progress: Progress = lambda done, wanted, found: None,
    level: Level = "API",
    *,
    for_ledger: bool = False,
) -> Result:
    """Run at least ``operations`` operations against RabbitMQ and in memory.

    The same seed and number of operations generate the same programs, for any number of workers.
    If cancelled, running programs finish, so that they leave nothing behind. Raises
    :class:`~mooq.BrokerConnectionError` if RabbitMQ cannot be reached, and, ``for_ledger``,
    :class:`NotRabbitMQ` before the run if the broker there is mooq's own.
    """
    began = monotonic()
    peer = await peer_at(address)
    if for_ledger and peer.is_mooq:
        raise NotRabbitMQ(
            f"the broker at {address} is mooq's own, and a ledger records only runs on RabbitMQ; "
            "name a RabbitMQ, or leave out the ledger"
        )
    total = Findings()
    seeds = Random(seed)  # noqa: S311 - not for security
    # A forked process would inherit the parent's event loop and connections.
    context = multiprocessing.get_context("spawn")
    ending = context.Event()
    run = asyncio.get_running_loop().run_in_executor
    with ProcessPoolExecutor(workers, context, _init_worker, (ending,)) as pool:
        chunks = [
            run(pool, _chunk, level, address, seeds.getrandbits(63), min(CHUNK, operations - done))
            for done in range(0, operations, CHUNK)
        ]
        try:
            for chunk in asyncio.as_completed(chunks):
                total.add(await chunk)
                progress(total.operations, operations, len(total.divergences))
        except BaseException:
            ending.set()
            pool.shutdown(cancel_futures=True)
            await asyncio.gather(*chunks, return_exceptions=True)
            raise
    entry = Entry(
        datetime.now(UTC).date().isoformat(),
        peer.version,
        seed,
        total.operations,
        total.programs,
        len(total.divergences),
        len(total.unrepeated),
        round(monotonic() - began, 1),
        workers,
        level,
    )
    return Result(entry, peer, total.divergences, total.unrepeated)


_ending: Event


def _init_worker(ending: Event) -> None:
    """Initialize a worker process, which ends with its parent or when ``ending`` is set."""
    global _ending
    _ending = ending
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # a terminal sends them to all processes
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _chunk(level: Level, address: Address, seed: int, operations: int) -> Findings:
    """Run one chunk in a worker process."""
    if level == "AMQP":
        from mooq.parity.wire.comparison import WireComparison

        with closing(WireComparison(address)) as comparison:
            return Search(comparison, _ending.is_set).search(seed, operations)
    with asyncio.Runner() as runner:
        rabbitmq = RabbitMQ(address)
        try:
            comparison_of_api = ApiComparison(runner, rabbitmq)
            return Search(comparison_of_api, _ending.is_set).search(seed, operations)
        finally:
            runner.run(rabbitmq.close())


def write(entries: list[Entry], ledger: Path) -> None:
    """Write runs to a ledger, replacing its contents."""
    lines = ",\n".join(f"  {json.dumps(asdict(each))}" for each in entries)
    ledger.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read(ledger: Path) -> list[Entry]:
    """Return the runs in a ledger, the earliest first.

    Raises ``ValueError`` or ``TypeError`` for a file with another content.
    """
    runs = json.loads(ledger.read_text(encoding="utf-8"))
    if not isinstance(runs, list):
        raise TypeError(f"a ledger is a list of runs, not a {type(runs).__name__}")
    return [Entry(**fields) for fields in runs]


def table(entries: list[Entry], kind: str = RABBITMQ) -> str:
    """Return the runs as a Markdown table, one row per day and version, the latest first.

    ``kind`` is the kind of the peer, the heading of the versions.
    """
    days: dict[tuple[str, str, tuple[int, ...], str], list[Entry]] = {}
    for one in entries:
        key = one.date, one.level, _numbers(one.rabbitmq), one.rabbitmq
        days.setdefault(key, []).append(one)
    rows = []
    for date, level, numbers, version in sorted(days, reverse=True):
        runs = days[date, level, numbers, version]
        counts = [
            sum(getattr(run, name) for run in runs)
            for name in ("operations", "programs", "divergences", "unrepeated")
        ]
        cells = [date, level, version, *(f"{count:,}" for count in counts), _seeds(runs)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [
            f"| date | level | {kind} | operations | programs | divergences | unrepeated | seeds |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            *rows,
        ]
    )


def _seeds(runs: list[Entry]) -> str:
    """Return the seeds of runs as text, such as ``"1 to 3, 7"``."""
    stretches: list[list[int]] = []
    for seed in sorted(run.seed for run in runs):
        if stretches and seed == stretches[-1][-1] + 1:
            stretches[-1].append(seed)
        else:
            stretches.append([seed])
    return ", ".join(
        f"{each[0]} to {each[-1]}" if len(each) > 2 else ", ".join(map(str, each))
        for each in stretches
    )


def by_version(entries: list[Entry]) -> dict[str, list[Entry]]:
    """Return the runs by version of RabbitMQ, the oldest first."""
    versions = sorted({one.rabbitmq for one in entries}, key=_numbers)
    return {version: [one for one in entries if one.rabbitmq == version] for version in versions}


def line(entries: list[Entry]) -> str:
    """Return a summary of all runs in one line."""
    found = sum(one.divergences for one in entries)
    versions = ", ".join(by_version(entries))
    done = {
        what: sum(one.operations for one in entries if one.level == level)
        for level, what in (("AMQP", "AMQP method"), ("API", "API call"))
    }
    counts = " and ".join(counted(count, what) for what, count in done.items() if count)
    return f"{counts} compared with RabbitMQ {versions}: {counted(found, 'divergence')}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
