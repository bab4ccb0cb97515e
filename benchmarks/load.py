"""Publishers and consumers on a broker that fails, and what became of every message."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import mooq

EXCHANGE, QUEUE = "load", "load"
PAUSE = 0.005  # seconds between two messages of a publisher
LONGEST_WAIT = 120.0  # seconds


class Listener:
    """One consumer: counts what it is given, and tells when it has had something new."""

    def __init__(self, seen: Counter[str]) -> None:
        self._seen = seen
        self._newest = -1
        self._changed = asyncio.Event()

    async def __call__(self, message: mooq.IncomingMessage) -> None:
        assert message["message_id"] is not None
        self._seen[message["message_id"]] += 1
        self._newest = max(self._newest, message["msg"])
        self._changed.set()

    async def hears(self, epoch: int) -> float:
        """Return when, by the event loop's clock, it had a message published in this epoch."""
        while self._newest < epoch:
            self._changed.clear()
            await self._changed.wait()
        return asyncio.get_running_loop().time()


class Load:
    """A stream of messages through one queue, from several publishers to several consumers."""

    def __init__(self) -> None:
        self.epoch = 0
        """What publishers send: raise it to tell what is published from now on."""
        self.confirmed: set[str] = set()
        self.unconfirmed = 0
        """How many publishes ended as PublishUnconfirmed; each was repeated, with its id."""
        self.unsent = 0
        """How many ended as another BrokerConnectionError; each was repeated."""
        self.seen: Counter[str] = Counter()
        self.listeners: list[Listener] = []
        self._is_over = False

    @property
    def lost(self) -> set[str]:
        """What was confirmed and never arrived."""
        return self.confirmed - self.seen.keys()

    @property
    def repeated(self) -> int:
        """How many messages arrived more than once, with one id."""
        return sum(times > 1 for times in self.seen.values())

    @asynccontextmanager
    async def on(
        self, connections: Sequence[mooq.Connection], consumers: int = 2, publishers: int = 2
    ) -> AsyncIterator[None]:
        """Run while the block lasts, so many on each connection; then until all has arrived."""
        async with asyncio.TaskGroup() as running:
            for connection in connections:
                for _ in range(consumers):
                    await self._listen(await connection.create_channel())
            processing = [running.create_task(each.process_events()) for each in connections]
            sending = [
                running.create_task(self._publish(await connection.create_channel(), f"{a}-{b}"))
                for a, connection in enumerate(connections)
                for b in range(publishers)
            ]
            try:
                yield
            finally:
                self._is_over = True
            await asyncio.wait(sending)
            async with asyncio.timeout(LONGEST_WAIT):
                while self.lost:
                    await asyncio.sleep(0.1)
            for each in processing:
                each.cancel()

    async def _listen(self, channel: mooq.Channel) -> None:
        listener = Listener(self.seen)
        await channel.register_consumer(
            QUEUE, exchange_name=EXCHANGE, exchange_type="direct", callback=listener
        )
        self.listeners.append(listener)

    async def _publish(self, channel: mooq.Channel, name: str) -> None:
        for number in count():
            message_id = f"{name}-{number}"
            while message_id not in self.confirmed:
                try:
                    await channel.publish(
                        exchange_name=EXCHANGE, msg=self.epoch, message_id=message_id
                    )
                except mooq.PublishUnconfirmed:
                    self.unconfirmed += 1
                except mooq.BrokerConnectionError:
                    self.unsent += 1
                else:
                    self.confirmed.add(message_id)
            if self._is_over:
                return
            await asyncio.sleep(PAUSE)

    async def all_hear(self, epoch: int) -> float:
        """Return when the last of the consumers had a message published in this epoch."""
        async with asyncio.timeout(LONGEST_WAIT):
            return max(await asyncio.gather(*(one.hears(epoch) for one in self.listeners)))

    def __str__(self) -> str:
        return (
            f"{len(self.confirmed)} confirmed, {len(self.lost)} of them lost; "
            f"{self.unconfirmed} unconfirmed and repeated, {self.unsent} not sent and repeated; "
            f"{self.repeated} arrived more than once"
        )
