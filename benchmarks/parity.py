"""Operations per second that parity compares: in memory, and against RabbitMQ.

``python benchmarks/parity.py [--against amqp://127.0.0.1:5672] [--operations N] [--workers N]``.
Hypothesis generates each program once. It runs twice: on two in-memory brokers, or on RabbitMQ and
in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
from collections.abc import Callable
from time import perf_counter

from mooq.basics.address import Address
from mooq.parity.ledger import measure
from mooq.parity.search import ApiComparison, Search
from mooq.parity.targets import InMemory


def in_memory(seed: int, operations: int) -> int:
    """Compare two in-memory brokers; return the number of operations."""
    with asyncio.Runner() as runner:
        findings = Search(ApiComparison(runner, InMemory())).search(seed, operations)
    assert not findings.divergences
    return findings.operations


def rate(made: Callable[[], int]) -> float:
    began = perf_counter()
    return made() / (perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", help="amqp://user:password@host:port/virtual_host")
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    share = options.operations // options.workers
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        pool.starmap(in_memory, [(seed, 100) for seed in range(options.workers)])  # imports
        in_a_second = rate(
            lambda: sum(pool.starmap(in_memory, [(seed, share) for seed in range(options.workers)]))
        )
    print(f"in memory: {in_a_second:,.0f} operations a second, {options.workers} processes")
    if options.against:
        against = Address.from_url(options.against)
        entry = asyncio.run(measure(against, options.operations, 1, options.workers)).entry
        print(
            f"RabbitMQ {entry.rabbitmq}: {entry.operations / entry.seconds:,.0f} operations a "
            f"second, {options.workers} processes, {entry.divergences} divergences"
        )


if __name__ == "__main__":
    main()
