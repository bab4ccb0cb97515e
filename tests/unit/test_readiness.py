"""Waiting until RabbitMQ is ready, and the errors when it never is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from mooq.errors import BrokerConnectionError
from mooq.launchers.launcher import Launcher
from mooq.launchers.readiness import FIRST_WAIT, LONGEST_PROBE, Probe, wait_until_ready


class Node(Launcher):
    """A launcher that only reports its death and its log."""

    def __init__(self, death: str | None = None, log: str = "") -> None:
        self._death = death
        self._log = log

    async def prepare(self) -> None: ...

    async def start(self) -> None: ...

    async def restart(self) -> None: ...

    async def stop(self) -> None: ...

    async def death(self) -> str | None:
        return self._death

    async def log(self) -> str:
        return self._log


def failing(times: int, error: Callable[[int], Exception]) -> tuple[Probe, list[float]]:
    """Return a probe that fails this many times and then succeeds, and its call times."""
    calls: list[float] = []

    async def probe(timeout: float) -> None:
        calls.append(time.monotonic())
        assert 0 < timeout <= LONGEST_PROBE
        if len(calls) <= times:
            raise error(len(calls))

    return probe, calls


def not_yet(attempt: int) -> BrokerConnectionError:
    return BrokerConnectionError(f"not yet ({attempt})")


async def test_answering_broker_is_ready_at_once() -> None:
    probe, calls = failing(0, not_yet)
    await wait_until_ready(probe, Node(), timeout=60)
    assert len(calls) == 1


async def test_readiness_probe_is_repeated_until_success() -> None:
    probe, calls = failing(5, not_yet)
    await wait_until_ready(probe, Node(), timeout=60)
    assert len(calls) == 6
    assert min(after - before for before, after in pairwise(calls)) > 0.9 * FIRST_WAIT


async def test_permanent_refusal_is_raised_at_once() -> None:
    refusal = BrokerConnectionError("wrong password", transient=False)
    probe, calls = failing(9, lambda _: refusal)
    with pytest.raises(BrokerConnectionError) as raised:
        await wait_until_ready(probe, Node("dead", "a log"), timeout=60)
    assert raised.value is refusal
    assert len(calls) == 1


async def test_unexpected_probe_error_is_raised_at_once() -> None:
    probe, calls = failing(9, lambda _: ValueError("a mistake"))
    with pytest.raises(ValueError, match="a mistake"):
        await wait_until_ready(probe, Node(), timeout=60)
    assert len(calls) == 1


async def test_dead_node_is_reported_with_its_log() -> None:
    probe, calls = failing(9, not_yet)
    with pytest.raises(BrokerConnectionError) as raised:
        await wait_until_ready(probe, Node("it exited with status 3", "disk full"), timeout=60)
    assert str(raised.value) == (
        "it exited with status 3 before it answered\nThe end of its log:\ndisk full"
    )
    assert not raised.value.transient
    assert len(calls) == 1


async def test_readiness_timeout_reports_the_last_error() -> None:
    probe, calls = failing(999, not_yet)
    with pytest.raises(BrokerConnectionError) as raised:
        await wait_until_ready(probe, Node(log="still booting"), timeout=0.3)
    text = str(raised.value)
    assert text.startswith("RabbitMQ did not complete an AMQP handshake within 0.3 s")
    assert "; it may still be starting: allow more time; last error: " in text
    assert f"last error: not yet ({len(calls)})" in text
    assert text.endswith("The end of its log:\nstill booting")


async def test_readiness_timeout_names_the_limit_that_was_given() -> None:
    probe, calls = failing(999, not_yet)
    with pytest.raises(BrokerConnectionError, match=r"handshake within 60 s; it may still be"):
        await wait_until_ready(probe, Node(), timeout=60, left=0.05)
    assert calls


async def test_broker_that_mooq_did_not_start_is_not_said_to_be_starting() -> None:
    probe, _ = failing(999, not_yet)
    with pytest.raises(BrokerConnectionError, match=r"handshake within 0.05 s; last error: not"):
        await wait_until_ready(probe, None, timeout=0.05)


async def test_hanging_probe_gets_only_the_remaining_time() -> None:
    given: list[float] = []

    async def silent(timeout: float) -> None:
        given.append(timeout)
        try:
            await asyncio.wait_for(asyncio.Event().wait(), timeout)
        except TimeoutError:
            raise BrokerConnectionError("no answer") from None

    with pytest.raises(BrokerConnectionError, match=r"last error: no answer$"):
        await wait_until_ready(silent, Node(), timeout=0.2)
    assert 0 < given[0] <= 0.2
