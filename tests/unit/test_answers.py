"""What aiormq raises without a word of its own, in mooq's terms."""

from __future__ import annotations

import pytest

from mooq.address import Address
from mooq.errors import Lost
from mooq.transports.rabbit.answers import GONE, answered, explain


async def test_a_peer_that_hung_up_before_the_next_frame_is_lost() -> None:
    async def request() -> None:
        raise StopAsyncIteration

    with pytest.raises(Lost):
        await answered(request())


def test_one_that_hung_up_while_connecting_is_said_to() -> None:
    error = StopAsyncIteration()
    assert isinstance(error, GONE)
    assert str(explain(error, Address("here", 1), 5)) == (
        "cannot connect to here:1: what answered there is no RabbitMQ, or one not ready yet "
        "(it hung up); check the port"
    )
