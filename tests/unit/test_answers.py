"""Errors of aiormq without a text, in mooq's terms."""

from __future__ import annotations

import errno
import os

import pytest

from mooq.basics.address import Address
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
        "cannot connect to here:1: the server there is not RabbitMQ, or is not ready yet "
        "(it closed the connection); check the port"
    )


def connecting_failed(cause: OSError) -> str:
    error = ConnectionError("of aiormq")
    error.__cause__ = cause
    return str(explain(error, Address("here", 1), 5))


def test_refusals_by_all_addresses_of_a_host_are_one() -> None:
    refused = [ConnectionRefusedError(errno.ECONNREFUSED, f"… {at}") for at in ("::1", "127.0.0.1")]
    together = OSError(f"Multiple exceptions: {refused[0]}, {refused[1]}")  # as asyncio has it
    assert "nothing listens there" in connecting_failed(together)
    assert connecting_failed(together) == connecting_failed(refused[0])


def test_errors_of_the_network_are_in_the_systems_words() -> None:
    unreachable = OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 1)")
    assert connecting_failed(unreachable) == (
        f"cannot connect to here:1: {os.strerror(errno.EHOSTUNREACH)}; check host and port"
    )
    assert connecting_failed(OSError("anything")) == (
        "cannot connect to here:1: it cannot be reached; check host and port"
    )
