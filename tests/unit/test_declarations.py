"""Redeclaration after a lost connection, with a mocked transport."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import pytest

import mooq
from mooq.basics.address import Address
from mooq.errors import Lost, Refused
from mooq.transports.base import TransportChannel


async def channel_with_a_queue() -> tuple[mooq.Channel, AsyncMock]:
    transport = AsyncMock(spec=TransportChannel)
    transport.is_lost = False
    transport.address = Address("h", 7)
    chan = mooq.Channel(internal_chan=transport, loop=asyncio.get_running_loop())
    await chan.declare_queue("q", durable=False, exclusive=True)
    return chan, transport


async def test_queue_locked_by_a_lost_connection_is_retried() -> None:
    chan, transport = await channel_with_a_queue()
    transport.declare_queue.side_effect = Refused(Refused.RESOURCE_LOCKED, "RESOURCE_LOCKED")
    with pytest.raises(Lost, match=r"'q' at h:7.* or it still belongs to the lost connection"):
        await chan.restore()
    transport.declare_queue.side_effect = None
    await chan.restore()
    assert not chan.is_lost


async def test_deleted_queue_is_not_declared_again() -> None:
    chan, transport = await channel_with_a_queue()
    await chan.delete_queue("q")
    transport.declare_queue.reset_mock()
    await chan.restore()
    transport.declare_queue.assert_not_called()
