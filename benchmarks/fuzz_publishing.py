"""Publishes that are interrupted at random times by cancellation, closing or a lost connection.

``python -m benchmarks.fuzz_publishing [--url amqp://…] [--interruptions 10000] [--seed N]`` runs in
memory, or on RabbitMQ in a virtual host without other clients. Every publish must end within its
timeout as confirmed, refused or unconfirmed. Confirmed messages must be in the queue, refused and
unsent ones must not, and none may be there twice.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random

import mooq
from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.faults import faults_before

EXCHANGE, QUEUE = "fuzz", "fuzz"
MOST_TURNS = 60  # iterations of the event loop before an interruption
TRAVEL = 0.0005  # seconds of network delay, in memory too, so that messages can be interrupted
SLACK = 5.0  # seconds of tolerance for a busy machine

Connect = Callable[[], Awaitable[mooq.Connection]]


@dataclass
class Findings:
    """The outcomes of all publishes."""

    interruptions: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest_overrun: float = 0.0
    """The longest time by which a publish missed its timeout, in seconds."""


@dataclass
class Publish:
    """A publish, its outcome, and whether the message must therefore be in the queue."""

    message_id: str
    exchange: str
    mandatory: bool
    timeout: float
    outcome: str = "never begun"

    async def on(self, channel: mooq.Channel, findings: Findings) -> None:
        """Publish, and note the outcome and its time."""
        clock = asyncio.get_running_loop().time
        began = clock()
        self.outcome = "never ended"
        try:
            await channel.publish(
                exchange_name=self.exchange,
                msg=self.message_id,
                message_id=self.message_id,
                mandatory=self.mandatory,
                timeout=self.timeout,
            )
        except mooq.MooqError as error:
            self.outcome = type(error).__name__
        except asyncio.CancelledError:
            self.outcome = "cancelled"
        else:
            self.outcome = "confirmed"
        overrun = clock() - began - self.timeout
        findings.longest_overrun = max(findings.longest_overrun, overrun)
        if overrun > SLACK:
            findings.wrong.append(f"{self} ended {overrun:.1f} s after its timeout")

    def check(self, arrived: int, findings: Findings) -> None:
        """Compare the outcome with the number of copies in the queue."""
        findings.outcomes[self.outcome] += 1
        must, must_not = self.outcome == "confirmed", self.outcome in NEVER_SENT
        if self.outcome not in {"confirmed", "cancelled", "PublishUnconfirmed", *NEVER_SENT}:
            findings.wrong.append(f"{self} is no outcome")
        if (must and not arrived) or (must_not and arrived) or arrived > 1:
            findings.wrong.append(f"{self} arrived {arrived} times")


NEVER_SENT = {"ExchangeNotFound", "BrokerConnectionError", "never begun"}


async def fuzz(
    connect: Connect,
    observe: Connect,
    seed: int,
    interruptions: int,
    cut: Callable[[], object],
) -> Findings:
    """Interrupt publishes, and return their outcomes.

    ``connect`` connects through a network that ``cut`` breaks, ``observe`` connects directly.
    """
    chance, findings = Random(seed), Findings()
    publishes: list[Publish] = []
    arrived: Counter[str] = Counter()
    async with await observe() as observer:
        look = await observer.create_channel()
        await look.register_consumer(
            QUEUE, exchange_name=EXCHANGE, exchange_type="fanout", callback=_never
        )
        await look.close()
        look = await observer.create_channel()
        turn = 0
        while findings.interruptions < interruptions:
            turn += 1
            async with await connect() as connection:
                publishes += await _interrupt(connection, chance, findings, f"{seed}-{turn}", cut)
            arrived += await _arrived(look)
        # Data from a broken connection may arrive late.
        await asyncio.sleep(1)
        arrived += await _arrived(look)
    for publish in publishes:
        publish.check(arrived[publish.message_id], findings)
    return findings


async def _interrupt(
    connection: mooq.Connection,
    chance: Random,
    findings: Findings,
    name: str,
    cut: Callable[[], object],
) -> list[Publish]:
    """Run publishes on a connection, and cancel and close until none are left."""
    channels = [await connection.create_channel() for _ in range(chance.randint(1, 3))]
    for channel in channels:
        if chance.random() < 0.7:  # the others start without a prepared channel
            await channel.publish(exchange_name=EXCHANGE, msg="first")
    publishes = [
        Publish(
            f"{name}-{number}",
            "missing" if chance.random() < 0.05 else EXCHANGE,
            chance.random() < 0.2,
            chance.choice((0.001, 0.02, 5.0)),
        )
        for number in range(chance.randint(1, 60))
    ]
    tasks = [
        asyncio.create_task(publish.on(chance.choice(channels), findings)) for publish in publishes
    ]
    ending: list[Callable[[], object]] = [
        *(task.cancel for task in chance.sample(tasks, chance.randint(0, len(tasks)))),
        *(_closing(channel.close) for channel in chance.sample(channels, chance.randint(0, 1))),
        *(_closing(connection.close) for _ in range(chance.randint(0, 1))),
        *(cut for _ in range(chance.randint(0, 1))),
    ]
    chance.shuffle(ending)
    for interrupt in ending:
        for _ in range(chance.randrange(MOST_TURNS)):
            await asyncio.sleep(0)
        findings.interruptions += 1
        interrupt()
    await asyncio.gather(*tasks, return_exceptions=True)
    while _closings:
        done, _ = await asyncio.wait(_closings)
        _closings.difference_update(done)  # its callback may not have run yet
        for closing in done:
            closing.result()
    return publishes


_closings: set[asyncio.Future[None]] = set()


def _closing(close: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def begin() -> None:
        closing = asyncio.ensure_future(close())
        _closings.add(closing)
        closing.add_done_callback(_closings.discard)

    return begin


async def _arrived(channel: mooq.Channel) -> Counter[str]:
    arrived: Counter[str] = Counter()
    while True:
        try:
            arrived[(await channel.get(QUEUE))["msg"]] += 1
        except mooq.NothingToConsume:
            return arrived


async def _never(_: mooq.IncomingMessage) -> None:
    """Do nothing; it is only registered."""


async def main() -> None:
    logging.getLogger().addHandler(logging.NullHandler())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a RabbitMQ; in memory unless given")
    parser.add_argument("--interruptions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    async with AsyncExitStack() as running:
        if options.url:
            broker, address = "rabbit", Address.from_url(options.url)
        else:
            broker, address = "in_memory", Address("fuzz", 1)
            await running.enter_async_context(mooq.InMemoryBroker(host="fuzz", port=1))
        straight = arguments_of(broker, address)
        network = await running.enter_async_context(faults_before(**straight))
        network.delay(TRAVEL)
        findings = await fuzz(
            lambda: mooq.connect(**network.arguments),
            lambda: mooq.connect(**straight),
            options.seed,
            options.interruptions,
            network.cut,
        )
    print(f"{findings.interruptions} interruptions of {findings.outcomes.total()} publishes")
    for outcome, times in findings.outcomes.most_common():
        print(f"  {times:7} {outcome}")
    print(f"latest after its timeout: {findings.longest_overrun:.3f} s")
    for wrong in findings.wrong:
        print(f"WRONG: {wrong}")
    raise SystemExit(bool(findings.wrong))


if __name__ == "__main__":
    asyncio.run(main())
