"""Short fuzz tests of arguments and replies; benchmarks/ has longer ones."""

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


async def test_random_arguments_raise_only_expected_errors(address: Address) -> None:
    found, wrong = await compare(address, 500, SEED)
    assert wrong == []
    for what in ("publish: done", "publish: TypeError", "publish: ValueError", "producer: done"):
        assert found[what], f"no random call ended as {what!r}"


async def test_damaged_replies_raise_only_expected_errors(address: Address) -> None:
    found, wrong = await damage(address, 10, SEED)
    assert wrong == []
    assert found.total() == 10
