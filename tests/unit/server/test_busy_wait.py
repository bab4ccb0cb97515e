"""The busy wait of `mooq serve`: when it looks for events, and when it sleeps."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from collections.abc import Callable, Iterator

import pytest

from mooq.server.busy_wait import LOOKING, RESTING, TAKEN, BusyWaitSelector, event_loop


class Processor:
    """A processor with a clock: each yield takes some time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.yielded = 0
        self.turn = LOOKING / 10
        """Seconds until the processor returns from a yield."""
        self.on_yield: dict[int, Callable[[], object]] = {}
        """What happens at the nth yield."""

    def clock(self) -> float:
        """Return the time in seconds."""
        return self.now

    def yield_processor(self) -> None:
        """Let other processes use it."""
        self.yielded += 1
        self.now += self.turn
        self.on_yield.get(self.yielded, lambda: None)()


@pytest.fixture
def processor() -> Processor:
    return Processor()


@pytest.fixture
def selector(processor: Processor) -> Iterator[BusyWaitSelector]:
    selector = BusyWaitSelector(processor.yield_processor, processor.clock)
    yield selector
    selector.close()


@pytest.fixture
def ends(selector: BusyWaitSelector) -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with contextlib.closing(ours), contextlib.closing(theirs):
        selector.register(ours, selectors.EVENT_READ)
        yield ours, theirs


def test_it_yields_while_it_looks(selector: BusyWaitSelector, processor: Processor) -> None:
    assert selector.select(0.001) == []
    assert processor.yielded == 10


def test_it_looks_no_longer_than_the_timeout(
    selector: BusyWaitSelector, processor: Processor
) -> None:
    assert selector.select(LOOKING / 2) == []
    assert processor.yielded == 5


def test_a_look_without_waiting_yields_nothing(
    selector: BusyWaitSelector, processor: Processor
) -> None:
    assert selector.select(0) == []
    assert processor.yielded == 0


def test_it_finds_an_event_that_comes_while_it_looks(
    selector: BusyWaitSelector, processor: Processor, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    processor.on_yield[3] = lambda: theirs.send(b"m")
    assert [key.fileobj for key, _ in selector.select(5)] == [ours]
    assert processor.yielded == 3


def test_it_finds_an_event_after_it_has_looked(
    selector: BusyWaitSelector, processor: Processor, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    processor.turn = LOOKING
    processor.on_yield[1] = lambda: theirs.send(b"m")
    assert [key.fileobj for key, _ in selector.select(5)] == [ours]


def test_it_rests_when_another_process_uses_the_processor(
    selector: BusyWaitSelector, processor: Processor
) -> None:
    processor.turn = TAKEN * 1.5
    selector.select(0.001)
    selector.select(0.001)
    assert processor.yielded == 1
    processor.now += RESTING
    selector.select(0.001)
    assert processor.yielded == 2


@pytest.mark.skipif(not hasattr(os, "sched_yield"), reason="Windows cannot yield a processor")
def test_the_event_loop_waits_like_this() -> None:
    loop = event_loop()
    assert isinstance(vars(loop)["_selector"], BusyWaitSelector)
    loop.close()
