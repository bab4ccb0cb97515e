"""Conversion of aiormq errors that have no text."""

from __future__ import annotations

import errno
import os

import aiormq
import pytest

from mooq.basics.address import Address
from mooq.errors import Lost, Refused
from mooq.transports.options import ConnectionOptions
from mooq.transports.rabbit.answers import GONE, answered, explain
from mooq.transports.rabbit.connection_pair import ConnectionPair


async def test_hangup_before_a_reply_raises_lost() -> None:
    async def request() -> None:
        raise StopAsyncIteration

    with pytest.raises(Lost):
        await answered(request())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiormq.exceptions.ConnectionInternalError("INTERNAL_ERROR - Feature"), Refused),
        (aiormq.exceptions.ConnectionClosed(320, "CONNECTION_FORCED"), Lost),
    ],
)
async def test_failure_inside_rabbitmq_is_not_a_lost_connection(
    error: Exception, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_self: ConnectionPair, _request: object) -> None:
        raise error

    monkeypatch.setattr(ConnectionPair, "_control_request", fails)
    pair = ConnectionPair(lambda: None, ConnectionOptions())
    with pytest.raises(expected, match=str(error.args[-1])):
        await pair.control(lambda amqp: amqp.queue_declare("q"))


def test_hangup_while_connecting_is_explained() -> None:
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


def test_refusals_by_all_addresses_give_one_error() -> None:
    refused = [ConnectionRefusedError(errno.ECONNREFUSED, f"… {at}") for at in ("::1", "127.0.0.1")]
    together = OSError(
        f"Multiple exceptions: {refused[0]}, {refused[1]}"
    )  # the form asyncio raises
    assert "nothing listens there" in connecting_failed(together)
    assert connecting_failed(together) == connecting_failed(refused[0])


def test_network_error_has_the_system_message() -> None:
    unreachable = OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 1)")
    assert connecting_failed(unreachable) == (
        f"cannot connect to here:1: {os.strerror(errno.EHOSTUNREACH)}; check host and port"
    )
    assert connecting_failed(OSError("anything")) == (
        "cannot connect to here:1: it cannot be reached; check host and port"
    )
