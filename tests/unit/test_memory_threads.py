"""Threads that share an in-memory broker, each with its own event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from threading import get_ident
from typing import Any

import pytest

import mooq
from mooq.transports.direct import DirectBroker, DirectChannel, DirectConnection
from tests.integration.elsewhere import Elsewhere, elsewhere
from tests.integration.inbox import LONGEST_WAIT, Inbox

THREADS = 4
VERBS = [
    (DirectBroker, ("connect",)),
    (DirectConnection, ("channel", "close")),
    (
        DirectChannel,
        (
            *("declare_exchange", "declare_queue", "delete_queue", "bind", "publish"),
            *("consume", "cancel", "get", "settle", "close"),
        ),
    ),
]


@pytest.fixture
def overlaps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The broker calls that overlapped with a call of another thread."""
    seen: list[str] = []
    inside: list[int] = []

    def guard(kind: type, verb: str) -> None:
        original = getattr(kind, verb)

        def guarded(*arguments: Any) -> Any:
            if any(thread != get_ident() for thread in inside):
                seen.append(verb)
            inside.append(get_ident())
            time.sleep(0)  # let the other threads run
            try:
                return original(*arguments)
            finally:
                inside.remove(get_ident())

        monkeypatch.setattr(kind, verb, guarded)

    for kind, verbs in VERBS:
        for verb in verbs:
            guard(kind, verb)
    return seen


@pytest.fixture
async def where() -> AsyncIterator[dict[str, Any]]:
    """The arguments of ``mooq.connect`` for a broker."""
    async with mooq.InMemoryBroker(host="threads", port=1):
        yield {"host": "threads", "port": 1, "broker": "in_memory"}


@pytest.fixture
def other_loop() -> Iterator[Elsewhere]:
    """An event loop that another thread runs during the test."""
    with elsewhere() as other:
        yield other


async def test_threads_use_the_broker_one_at_a_time(
    where: dict[str, Any], overlaps: list[str]
) -> None:
    async def use(name: str) -> list[Any]:
        inbox = Inbox()
        async with await mooq.connect(**where) as conn:
            for _ in range(10):
                async with await conn.create_channel() as chan:
                    await chan.register_consumer(
                        name, name, exchange_name="e", exchange_type="direct", callback=inbox
                    )
                    await chan.publish(exchange_name="e", msg=1, routing_key=name)
                    await conn.process_events(num_cycles=1)
                async with await conn.create_channel() as chan:
                    await chan.publish(exchange_name="e", msg=2, routing_key=name)
                    inbox.messages.append(await chan.get(name))
                    await chan.delete_queue(name)
        return inbox.bodies

    with ExitStack() as threads:
        others = [threads.enter_context(elsewhere()) for _ in range(THREADS)]
        received = await asyncio.gather(*(other.run(use(f"{n}")) for n, other in enumerate(others)))
    assert received == [[1, 2] * 10] * THREADS
    assert overlaps == []


async def test_second_thread_waits_for_the_first(
    where: dict[str, Any], other_loop: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = DirectChannel.publish
    connecting: list[Future[mooq.Connection]] = []

    def publish_slowly(*arguments: Any) -> None:
        if not connecting:
            work = mooq.connect(**where)
            connecting.append(asyncio.run_coroutine_threadsafe(work, other_loop.loop))
            with pytest.raises(TimeoutError):
                connecting[0].result(timeout=0.1)
        publish(*arguments)

    monkeypatch.setattr(DirectChannel, "publish", publish_slowly)
    async with await mooq.connect(**where) as conn:
        chan = await conn.create_channel()
        await chan.register_producer(exchange_name="e", exchange_type="direct")
        for _ in range(2):
            await chan.publish(exchange_name="e", msg=1)
    await other_loop.run((await asyncio.wrap_future(connecting[0])).close())


async def test_closing_in_one_thread_wakes_another(other_loop: Elsewhere) -> None:
    ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def tell(processing: asyncio.Future[None]) -> None:
        ended.get_loop().call_soon_threadsafe(ended.set_result, processing.exception())

    async def begin() -> tuple[mooq.Connection, asyncio.Task[None]]:
        recovery = mooq.Recovery(attempts=1)
        conn = await mooq.connect("closed", 1, "in_memory", recovery=recovery)
        processing = asyncio.create_task(conn.process_events())
        processing.add_done_callback(tell)
        return conn, processing

    async with mooq.InMemoryBroker(host="closed", port=1):
        conn, _ = await other_loop.run(begin())
    async with asyncio.timeout(LONGEST_WAIT):
        assert "was lost; gave up after attempt 1" in str(await ended)
    await other_loop.run(conn.close())
