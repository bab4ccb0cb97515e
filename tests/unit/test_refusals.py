"""Conversion of broker refusals to mooq errors."""

from __future__ import annotations

from typing import Any

import pytest

from mooq import errors
from mooq.basics.address import Address
from mooq.client import refusals
from mooq.errors import MooqError, Refused

ADDRESS = Address("h", 7, virtual_host="tests")
SAID = {
    "missing exchange": "does not exist: register a producer or a consumer for it first [words]",
    "unroutable": (
        "has no queue bound for this message: register a consumer with a matching routing key "
        "first, or publish without mandatory"
    ),
    "other exchange": "has invalid arguments: correct them [words]",
    "missing queue": "does not exist: register a consumer with this queue_name first [words]",
    "locked": "is exclusive to another connection: use another name [words]",
    "other queue": "has invalid arguments: correct them [words]",
    "forbidden": "cannot be used in this way [words]",
    "failed": "could not be used: the broker failed; see its log [words]",
}


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (Refused.NOT_FOUND, errors.ExchangeNotFound, "missing exchange"),
        (Refused.NO_ROUTE, errors.MessageUnroutable, "unroutable"),
        (Refused.PRECONDITION_FAILED, errors.BadExchange, "other exchange"),
        (Refused.ACCESS_REFUSED, errors.BadExchange, "forbidden"),
        (Refused.NACK, errors.BrokerInternalError, "failed"),
        (541, errors.BrokerInternalError, "failed"),
    ],
)
def test_exchange_refusal_has_address_and_remedy(
    code: int, error: type[MooqError], text: str
) -> None:
    raised = refusals.of_exchange(Refused(code, "words"), "e", ADDRESS)
    assert type(raised) is error
    assert str(raised) == f"exchange 'e' at h:7, virtual host 'tests', {SAID[text]}"


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        (Refused.NOT_FOUND, errors.ConsumerQueueNotFound, "missing queue"),
        (Refused.RESOURCE_LOCKED, errors.BadQueue, "locked"),
        (Refused.PRECONDITION_FAILED, errors.BadQueue, "other queue"),
        (Refused.ACCESS_REFUSED, errors.BadQueue, "forbidden"),
        (541, errors.BrokerInternalError, "failed"),
    ],
)
def test_queue_refusal_has_address_and_remedy(code: int, error: type[MooqError], text: str) -> None:
    raised = refusals.of_queue(Refused(code, "words"), "q", ADDRESS)
    assert type(raised) is error
    assert str(raised) == f"queue 'q' at h:7, virtual host 'tests', {SAID[text]}"


@pytest.mark.parametrize(
    ("of", "argument", "remedy"),
    [
        (
            refusals.of_exchange,
            "'type' for exchange 'e' in vhost '/': received 'fanout' but current is 'direct'",
            "use the type it has, or another name",
        ),
        (
            refusals.of_exchange,
            "'durable' for exchange 'e' in vhost '/': received 'true' but current is 'false'",
            "its durable is false, and true was asked for: pass durable=False to declare_exch",
        ),
        (
            refusals.of_queue,
            "'x-dead-letter-exchange' for queue 'q' in vhost '/': received none but current is …",
            "with the dead_letter_exchange it has, or",
        ),
        (
            refusals.of_queue,
            "'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value "
            "'5' of type 'signedint'",
            "its x-message-ttl is 5, and none was asked for: pass queue_arguments={'x-message-ttl'",
        ),
        (refusals.of_queue, "'durable' for queue …", "or take the queue as it is by consume()"),
    ],
)
def test_remedy_fits_the_property_that_differs(of: Any, argument: str, remedy: str) -> None:
    words = f"PRECONDITION_FAILED - inequivalent arg {argument}"
    assert remedy in str(of(Refused(Refused.PRECONDITION_FAILED, words), "x", ADDRESS))
