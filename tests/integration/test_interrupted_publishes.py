"""A quick share of benchmarks/fuzz_publishing.py: the same seeds each time, on both brokers."""

from __future__ import annotations

import pytest

import mooq
from benchmarks.fuzz_publishing import fuzz
from tests.conftest import Connect


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_publish_ends_as_confirmed_refused_or_unconfirmed_and_is_where_that_says(
    connect: Connect, seed: int
) -> None:
    findings = await fuzz(connect, seed, 150)
    assert findings.wrong == []
    assert {"confirmed", "ExchangeNotFound"} <= findings.outcomes.keys()


async def test_so_it_does_while_connections_drop() -> None:
    async with mooq.InMemoryBroker(host="dropping", port=1) as broker:
        findings = await fuzz(
            lambda: mooq.connect("dropping", 1, "in_memory"), 3, 1000, broker.drop_connections
        )
    assert findings.wrong == []
