"""A short run of benchmarks/fuzz_publishing.py with fixed seeds."""

from __future__ import annotations

import pytest

import mooq
from benchmarks.fuzz_publishing import TRAVEL, fuzz
from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.faults import Faults


@pytest.mark.parametrize("seed", [1, 2])
async def test_interrupted_publish_has_a_consistent_outcome(
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
    # Other outcomes depend on the timing of the interruptions.
    assert {"confirmed", "PublishUnconfirmed"} <= findings.outcomes.keys()
