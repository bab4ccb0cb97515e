"""A quick share of benchmarks/fuzz_publishing.py: the same seeds each time, on both brokers."""

from __future__ import annotations

import pytest

import mooq
from benchmarks.fuzz_publishing import TRAVEL, fuzz
from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.faults import Faults


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_publish_ends_as_confirmed_refused_or_unconfirmed_and_is_where_that_says(
    mooq_faults: Faults, mooq_address: Address, mooq_backend: str, seed: int
) -> None:
    mooq_faults.delay(TRAVEL)
    findings = await fuzz(
        lambda: mooq.connect(**mooq_faults.arguments),
        lambda: mooq.connect(**arguments_of(mooq_backend, mooq_address)),
        seed,
        150,
        mooq_faults.cut,
    )
    assert findings.wrong == []
    # Which others there are depends on the instants at which they were interrupted.
    assert {"confirmed", "PublishUnconfirmed"} <= findings.outcomes.keys()
