"""A sample of inputs nobody would think of, the same on both brokers; benchmarks/ has more."""

from __future__ import annotations

import pytest

from benchmarks.fuzz_inputs import compare, damage
from mooq.basics.address import Address
from tests.conftest import BrokerAddress

SEED = 20


@pytest.fixture
def address(rabbit_address: BrokerAddress) -> Address:
    return Address(
        rabbit_address["host"],
        rabbit_address["port"],
        virtual_host=rabbit_address["virtual_host"],
    )


async def test_calls_with_arguments_made_by_chance(address: Address) -> None:
    found, wrong = await compare(address, 500, SEED)
    assert wrong == []
    for what in ("publish: done", "publish: TypeError", "publish: ValueError", "producer: done"):
        assert found[what], "it has become too easy"


async def test_conversations_whose_answers_are_damaged_on_their_way(address: Address) -> None:
    found, wrong = await damage(address, 10, SEED)
    assert wrong == []
    assert found.total() == 10
