"""Publishers and consumers on a failing broker, which track every message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import mooq

EXCHANGE, QUEUE = "load", "load"
PAUSE = 0.005  # seconds between two messages of a publisher
LONGEST_WAIT = 120.0  # seconds


class Load:
    """A stream of messages through one queue, from several publishers to several consumers.

    A publisher repeats a message, with the same id, until it is confirmed. Messages that were
    confirmed and have arrived are not kept, so a load may run for hours.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self.epoch = 0
        """The content of messages; increase it to distinguish later messages."""
        self.confirmed = 0
        self.arrived = 0
        self.unconfirmed = 0
        """The number of publishes that raised PublishUnconfirmed."""
        self.unsent = 0
        """The number that raised another BrokerConnectionError."""
        self.awaited: set[str] = set()
        """The confirmed messages that have not arrived; at the end, the lost ones."""
        self.listeners: list[Listener] = []
        self._early: set[str] = set()
        self._pause = pause
        self._is_over = False

    def arrive(self, message_id: str) -> None:
        """Take note of an arrival."""
        self.arrived += 1
        if message_id in self.awaited:
            self.awaited.discard(message_id)
        else:
            self._early.add(message_id)

    def _confirm(self, message_id: str) -> None:
        self.confirmed += 1
        if message_id in self._early:
            self._early.discard(message_id)
        else:
            self.awaited.add(message_id)

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
                while self.awaited:
                    await asyncio.sleep(0.1)
            for each in processing:
                each.cancel()

    async def _listen(self, channel: mooq.Channel) -> None:
        listener = Listener(self)
        await channel.register_consumer(
            QUEUE, exchange_name=EXCHANGE, exchange_type="direct", callback=listener
        )
        self.listeners.append(listener)

    async def _publish(self, channel: mooq.Channel, name: str) -> None:
        for number in count():
            await self._publish_surely(channel, f"{name}-{number}")
            if self._is_over:
                return
            await asyncio.sleep(self._pause)

    async def _publish_surely(self, channel: mooq.Channel, message_id: str) -> None:
        while True:
            try:
                await channel.publish(exchange_name=EXCHANGE, msg=self.epoch, message_id=message_id)
            except mooq.PublishUnconfirmed:
                self.unconfirmed += 1
            except mooq.BrokerConnectionError:
                self.unsent += 1
            else:
                return self._confirm(message_id)

    async def all_hear(self, epoch: int) -> float:
        """Return when the last of the consumers had a message published in this epoch."""
        async with asyncio.timeout(LONGEST_WAIT):
            return max(await asyncio.gather(*(one.hears(epoch) for one in self.listeners)))

    def __str__(self) -> str:
        return (
            f"{self.confirmed} confirmed, {len(self.awaited)} of them not arrived; "
            f"{self.unconfirmed} unconfirmed and {self.unsent} not sent, and repeated; "
            f"{max(self.arrived - self.confirmed, 0)} arrived again"
        )


class Listener:
    """One consumer, which tells when it has had something new."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._newest = -1
        self._changed = asyncio.Event()

    async def __call__(self, message: mooq.IncomingMessage) -> None:
        assert message["message_id"] is not None
        self._load.arrive(message["message_id"])
        self._newest = max(self._newest, message["msg"])
        self._changed.set()

    async def hears(self, epoch: int) -> float:
        """Return when, by the event loop's clock, it had a message published in this epoch."""
        while self._newest < epoch:
            self._changed.clear()
            await self._changed.wait()
        return asyncio.get_running_loop().time()
