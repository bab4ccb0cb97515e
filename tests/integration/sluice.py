"""A stretch of network in front of a broker that can be held up, or cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.conftest import BrokerAddress

CHUNK = 2**16


class Sluice:
    """Passes bytes on between clients and a broker; what the broker says can be held back."""

    def __init__(self, target: BrokerAddress) -> None:
        self._target = target
        self._answers_pass = asyncio.Event()
        self._answers_pass.set()
        self._left: int | None = None
        self.is_holding = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def hold_answers(self, after: int = 0) -> None:
        """Let so many answers of the broker through, and then nothing.

        ``is_holding`` is set when one is held back. Until :meth:`let_answers_pass`.
        """
        self._left = after
        self.is_holding.clear()

    def let_answers_pass(self) -> None:
        """Let through what was held back, and what comes."""
        self._left = None
        self._answers_pass.set()

    async def _pass(self) -> None:
        if self._left == 0:
            self._answers_pass.clear()
            self.is_holding.set()
            await self._answers_pass.wait()
        elif self._left is not None:
            self._left -= 1

    def cut(self) -> None:
        """End every connection without a word, as a broken network does."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a client's bytes on to the broker, and the broker's back."""
        to_broker = await asyncio.open_connection(self._target["host"], self._target["port"])
        self._writers += [writer, to_broker[1]]
        for source, sink, is_answer in (
            (reader, to_broker[1], False),
            (to_broker[0], writer, True),
        ):
            task = asyncio.create_task(self._pass_on(source, sink, is_answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_answer: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(CHUNK):
                if is_answer:
                    await self._pass()
                sink.write(data)
                await sink.drain()
        sink.close()

    async def close(self) -> None:
        """End everything that is left."""
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def sluice_before(address: BrokerAddress) -> AsyncIterator[tuple[Sluice, BrokerAddress]]:
    """Put a sluice before a broker; give it and the address to reach the broker by."""
    sluice = Sluice(address)
    server = await asyncio.start_server(sluice.accept, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    try:
        yield sluice, {**address, "host": "127.0.0.1", "port": port}
    finally:
        server.close()
        await sluice.close()
