"""Search for divergences: generated programs, faulty brokers and shrinking."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from mooq.basics.address import Address
from mooq.broker.queue import Queue
from mooq.broker.ready import QueuedMessage
from mooq.errors import BrokerConnectionError
from mooq.parity import search
from mooq.parity.programs import size
from mooq.parity.search import ApiComparison, Search
from mooq.parity.strategies import programs
from mooq.parity.targets import InMemory, RabbitMQ
from mooq.parity.topics import keys, matches, patterns, prove
from tests.topic_pairs import TOPIC_PAIRS


class Faulty(InMemory):
    """A broker whose queues lose the redelivered flag."""

    async def begin(self) -> None:
        await super().begin()
        assert self._broker._shared is not None
        for host in self._broker._shared.broker.rules._hosts.values():
            host.declare_queue = partial(flagless, host.declare_queue)  # type: ignore[method-assign]


def flagless(declare: Callable[..., Queue], *args: Any, **kwargs: Any) -> Queue:
    """Declare a queue that loses the redelivered flag."""
    queue = declare(*args, **kwargs)
    put_back = type(queue.ready).put_back

    def forget(queued: QueuedMessage) -> None:
        queued.redelivered = False
        put_back(queue.ready, queued)

    queue.ready.put_back = forget  # type: ignore[method-assign]
    return queue


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_correct_brokers_agree_on_generated_programs(runner: asyncio.Runner) -> None:
    findings = Search(ApiComparison(runner, InMemory())).search(seed=1, operations=500)

    assert findings.operations >= 500
    assert findings.divergences == []
    assert findings.unrepeated == []


def test_fault_is_shrunk_to_a_short_program(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "programs", partial(programs, longest=15))

    findings = Search(ApiComparison(runner, Faulty())).search(seed=1, operations=50)

    (divergence, *_) = findings.divergences
    assert size(divergence.program) <= 5
    assert "redelivered" in str(divergence)


def test_shrinking_stops_at_its_time_limit(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "programs", partial(programs, longest=15))
    monkeypatch.setattr(search, "LONGEST_SHRINKING", -1.0)

    findings = Search(ApiComparison(runner, Faulty())).search(seed=1, operations=50)

    assert findings.divergences


def test_unreachable_broker_ends_the_search(runner: asyncio.Runner) -> None:
    nobody = RabbitMQ(Address("127.0.0.1", 1))

    with pytest.raises(BrokerConnectionError, match="nothing listens there"):
        Search(ApiComparison(runner, nobody)).search(seed=1, operations=300)


def test_stopped_search_runs_no_programs(runner: asyncio.Runner) -> None:
    findings = Search(ApiComparison(runner, InMemory()), lambda: True).search(
        seed=1, operations=300
    )

    assert findings.programs == 0


def test_same_seed_generates_the_same_programs(runner: asyncio.Runner) -> None:
    first, second = (Search(ApiComparison(runner, InMemory())).search(7, 200) for _ in range(2))

    assert (first.operations, first.programs) == (second.operations, second.programs)


def test_topic_definition_agrees_with_measured_pairs() -> None:
    wrong = [pair for pair in TOPIC_PAIRS if matches(*pair[:2]) is not pair[2]]

    assert wrong == []


def test_topic_proof_covers_all_keys_and_patterns() -> None:
    assert len(keys()) == 5 + 25 + 125 + 625
    assert len(patterns()) == len(keys()) - 1 - (4 * 4 + 1)


async def test_in_memory_broker_routes_every_topic_pair() -> None:
    proof = await prove(InMemory(), longest=3)

    assert proof.pairs == 154 * 155
    assert proof.misrouted == []


async def test_topic_proof_detects_a_misrouted_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.parity_faults import hash_binding_misses_the_empty_key

    hash_binding_misses_the_empty_key(monkeypatch)

    proof = await prove(InMemory(), longest=2)

    assert ("#", "", 0, 1) in proof.misrouted
    assert {key for _, key, *_ in proof.misrouted} == {""}
