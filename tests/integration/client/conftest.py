"""Fixtures for programs that use aio-pika on the same broker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from mooq.testing.broker import Broker


@pytest.fixture
async def peer(mooq_broker: Broker) -> AsyncIterator[AbstractChannel]:
    """An aio-pika channel to the test's broker."""
    async with await aio_pika.connect(mooq_broker.url) as connection:
        yield await connection.channel()
