"""Reports of callbacks that block the event loop."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

import mooq
from tests.integration.inbox import LONGEST_WAIT, Refusal
from tests.integration.steps import consume

LONG = 0.02  # seconds for which these callbacks block
SHORT = 0.005  # seconds: slow_callback_duration of the loop

REPORT = re.compile(
    r"callback (\S+), queue '(.*)', blocked the event loop for (\d+\.\d{3}) s, during which "
    r"nothing else could run; await slow work, or run it with asyncio.to_thread\(\)"
)


@pytest.fixture(autouse=True)
async def bound() -> None:
    asyncio.get_running_loop().slow_callback_duration = SHORT


@pytest.fixture
def reports(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str, float]]]:
    caplog.set_level(logging.WARNING, "mooq.blocking")

    def reports() -> list[tuple[str, str, float]]:
        lines = [record for record in caplog.records if record.name == "mooq.blocking"]
        assert {line.levelname for line in lines} <= {"WARNING"}
        found = [REPORT.fullmatch(line.getMessage()) for line in lines]
        return [(one[1], one[2], float(one[3])) for one in found if one is not None]

    return reports


Reports = Callable[[], list[tuple[str, str, float]]]


async def handled(
    conn: mooq.Connection, chan: mooq.Channel, callback: Callable[[Any], Awaitable[object]]
) -> None:
    """Call a callback once with a message; raise what it raises."""
    await consume(chan, callback)
    await chan.publish(exchange_name="log", msg=1)
    await conn.process_events(num_cycles=1)


async def blocks_at_once(message: mooq.IncomingMessage) -> None:
    time.sleep(LONG)  # noqa: ASYNC251 - blocks on purpose


async def blocks_later(message: mooq.IncomingMessage) -> None:
    for _ in range(3):
        await asyncio.sleep(0)
    time.sleep(LONG)  # noqa: ASYNC251
    await asyncio.sleep(0)


async def blocks_and_fails(message: mooq.IncomingMessage) -> None:
    await asyncio.sleep(0)
    time.sleep(LONG)  # noqa: ASYNC251
    raise Refusal("after that")


async def blocks_after_a_failure(message: mooq.IncomingMessage) -> None:
    failing = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(failing.set_exception, Refusal("awaited"))
    try:
        await failing
    except Refusal:
        time.sleep(LONG)  # noqa: ASYNC251


def blocks_before_returning_an_awaitable(message: mooq.IncomingMessage) -> Awaitable[None]:
    time.sleep(LONG)
    return asyncio.sleep(0)


@pytest.mark.parametrize(
    "callback",
    [
        blocks_at_once,
        blocks_later,
        blocks_after_a_failure,
        blocks_before_returning_an_awaitable,
    ],
    ids=lambda callback: callback.__name__,
)
async def test_blocking_callback_is_reported(
    conn: mooq.Connection, chan: mooq.Channel, callback: Any, reports: Reports
) -> None:
    await handled(conn, chan, callback)
    # On a busy machine other steps may be reported as well.
    assert {(name, queue) for name, queue, _ in reports()} == {(callback.__name__, "q")}
    assert max(seconds for _, _, seconds in reports()) >= LONG


@pytest.mark.mooq_allow_failures
async def test_failing_blocking_callback_is_reported(
    conn: mooq.Connection, chan: mooq.Channel, reports: Reports
) -> None:
    with pytest.raises(Refusal):
        await handled(conn, chan, blocks_and_fails)
    assert reports()[0][0] == "blocks_and_fails"


class Clock:
    """A clock that only advances when told to."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def advance(self) -> None:
        self._now += 1000.0


async def test_awaiting_callback_is_not_reported(
    conn: mooq.Connection, chan: mooq.Channel, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    for module in ("consumer", "slow_callbacks"):
        monkeypatch.setattr(f"mooq.client.{module}.monotonic", clock)

    async def waits(message: mooq.IncomingMessage) -> None:
        for _ in range(2):
            asyncio.get_running_loop().call_soon(clock.advance)
            await asyncio.sleep(0)

    await handled(conn, chan, waits)
    assert reports() == []


async def test_slow_callback_duration_sets_the_threshold(
    conn: mooq.Connection, chan: mooq.Channel, reports: Reports
) -> None:
    asyncio.get_running_loop().slow_callback_duration = math.inf
    await handled(conn, chan, blocks_at_once)
    assert reports() == []


class Lazily:
    """An awaitable that is neither a coroutine nor a future."""

    def __init__(self, result: object) -> None:
        self._result = result

    def __await__(self) -> Generator[Any, Any, object]:
        yield from asyncio.sleep(0).__await__()
        return self._result


async def test_callback_may_return_any_awaitable(conn: mooq.Connection, chan: mooq.Channel) -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(True)

    def task(message: mooq.IncomingMessage) -> Awaitable[None]:
        return asyncio.ensure_future(work())

    def lazily(message: mooq.IncomingMessage) -> Awaitable[object]:
        done.append(True)
        return Lazily(None)

    for callback in (task, lazily):
        async with await conn.create_channel() as channel:
            await handled(conn, channel, callback)
    assert done == [True, True]


async def test_closing_channel_cancels_a_waiting_callback(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    async def waits(message: mooq.IncomingMessage) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.set()

    processing = asyncio.create_task(handled(conn, chan, waits))
    await begun.wait()
    await chan.close(timeout=0.01)
    async with asyncio.timeout(LONGEST_WAIT):
        await told.wait()
    await asyncio.wait([processing])
