"""Soak test for leaks: ten minutes of messages over connections that break now and then.

``python -m benchmarks.soak [--minutes 10] [--url amqp://…]`` runs on RabbitMQ at ``--url``, or in
memory, and regularly prints the process's memory, tasks and file descriptors. Exits with 1 if a
confirmed message is lost, or if the last quarter uses clearly more of them than the second.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import mooq
from benchmarks.load import Load
from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.faults import faults_before

EVERY = 5.0  # seconds between measurements
BREAKS_EVERY = 6  # measurements
TOLERANCE = 1.02
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Held:
    """The resources of this process."""

    memory: int
    """Resident memory, in bytes."""
    tasks: int
    descriptors: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            resident * PAGE, len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))
        )

    def __str__(self) -> str:
        return f"{self.memory / 2**20:.1f} MiB, {self.tasks} tasks, {self.descriptors} descriptors"


async def soak(address: Address, broker: str, seconds: float) -> bool:
    """Return whether all resources stayed constant and no message was lost."""
    load, looks = Load(pause=0.05), []
    clock = asyncio.get_running_loop().time
    async with (
        faults_before(**arguments_of(broker, address)) as network,
        await mooq.connect(**network.arguments) as one,
        await mooq.connect(**network.arguments) as two,
        load.on([one, two], consumers=2, publishers=4),
    ):
        began = clock()
        while (since := clock() - began) < seconds:
            await asyncio.sleep(EVERY)
            looks.append(Held.now())
            print(f"{since:4.0f} s: {looks[-1]}; {load}", flush=True)
            if len(looks) % BREAKS_EVERY == 0:
                network.cut()
    print(load)
    quarter = len(looks) // 4
    before, after = looks[quarter : 2 * quarter], looks[-quarter:]
    flat = True
    for what in ("memory", "tasks", "descriptors"):
        then, now = (median(getattr(look, what) for look in part) for part in (before, after))
        flat = flat and now <= then * TOLERANCE
        print(f"{what}: {then:,.0f} in the second quarter, {now:,.0f} in the last")
    return flat and not load.awaited


async def main() -> None:
    logging.getLogger().addHandler(logging.NullHandler())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--url", help="of a RabbitMQ; in memory unless given")
    options = parser.parse_args()
    seconds = options.minutes * 60
    if options.url:
        passed = await soak(Address.from_url(options.url), "rabbit", seconds)
    else:
        address = Address("soak", 1)
        async with mooq.InMemoryBroker(host=address.host, port=address.port):
            passed = await soak(address, "in_memory", seconds)
    raise SystemExit(not passed)


if __name__ == "__main__":
    asyncio.run(main())
