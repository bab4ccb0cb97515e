"""Cost of mooq's features in memory, compared with the minimum.

``python -m benchmarks.shortcuts`` measures publish → callback with parts of mooq replaced by
minimal ones that still deliver and acknowledge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch

import mooq
from benchmarks.in_memory import MESSAGE, floor, through_mooq
from benchmarks.measuring import Measure, Ratio, compare, run
from mooq.client.codec import decode, encode
from mooq.client.consumer import Consumer
from mooq.client.dispatcher import CallbackTask, Dispatcher
from mooq.transports.message import Delivery, Message, Outcome, new_message_id

MESSAGES = 20_000


async def publish(
    self: Any, *, exchange_name: str, msg: object, routing_key: str = "", **_: Any
) -> None:
    """Publish without checks, a timeout, recovery or mooq's errors."""
    message = Message(encode(msg), exchange_name, routing_key, new_message_id())
    await self._internal.publish(message, False, 30.0)


async def handle(self: Any, delivery: Delivery) -> None:
    """Await a callback without distinguishing failures from cancellation or timing its steps."""
    await self._callback(decode(delivery))
    await self.channel.settle(delivery, Outcome.ACKNOWLEDGE)


def start_all(self: Any) -> list[CallbackTask]:
    """Start callbacks without keeping their tasks, so that a shutdown cannot wait for them."""
    self._is_processed = True
    create_task = asyncio.get_running_loop().create_task
    started = []
    while self._arrived:
        consumer, delivery = self._arrived.popleft()
        started.append(create_task(consumer.handle(delivery)))
    return started


PARTS: Mapping[str, tuple[type, Callable[..., Any]]] = {
    "checks, deadline, recovery, errors": (mooq.Channel, publish),
    "failures, timing": (Consumer, handle),
    "tasks kept for shutdown": (Dispatcher, start_all),
}


def without(*parts: str) -> Measure:
    """Measure mooq with some parts replaced."""
    measure = through_mooq(MESSAGE, MESSAGES)

    async def measure_without() -> float:
        patches = [
            patch.object(PARTS[part][0], PARTS[part][1].__name__, PARTS[part][1]) for part in parts
        ]
        for each in patches:
            each.start()
        try:
            return await measure()
        finally:
            for each in patches:
                each.stop()

    return measure_without


async def main() -> list[Ratio]:
    base = floor(MESSAGE, MESSAGES)
    bare = "JSON and a task alone"
    return [
        await compare("mooq as it is", without(), bare, base, "≥ 0.8"),
        *[await compare(f"without {part}", without(part), bare, base, "") for part in PARTS],
        await compare("without all of these", without(*PARTS), bare, base, ""),
    ]


if __name__ == "__main__":
    run(main, "in memory, with parts left out")
