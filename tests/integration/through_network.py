"""Fixtures for connections through a network with injected faults."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

import mooq
from mooq.testing.faults import Faults, faults_before
from tests.conftest import BrokerAddress
from tests.integration.steps import make_queue


@pytest.fixture
async def faults(broker_address: BrokerAddress) -> AsyncIterator[Faults]:
    async with faults_before(**broker_address) as faults:
        yield faults


@pytest.fixture
async def observer(broker_address: BrokerAddress) -> AsyncIterator[mooq.Connection]:
    """A direct connection to the broker."""
    async with await mooq.connect(**broker_address) as observer:
        await make_queue(observer, "q")
        yield observer


@pytest.fixture
async def conn(faults: Faults, observer: mooq.Connection) -> AsyncIterator[mooq.Connection]:
    """A connection through the network, which heals before the connection is closed."""
    async with await mooq.connect(**faults.arguments) as conn:
        yield conn
        faults.heal()
