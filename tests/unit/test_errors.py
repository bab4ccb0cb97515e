"""Texts of errors that are raised in several places, and of broker refusals.

test_public_api.py tests the error hierarchy.
"""

from __future__ import annotations

import pytest

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError, Lost, MooqError, Refused, Unconfirmed

ADDRESS = Address("h", 7, "ann", "secret", "tests")


@pytest.mark.parametrize(
    ("error", "text", "is_transient"),
    [
        (
            BrokerConnectionError.nothing_listens(ADDRESS),
            "cannot connect to h:7: nothing listens there; start the broker, or check host and "
            "port",
            True,
        ),
        (
            BrokerConnectionError.login_refused(ADDRESS),
            "cannot connect to h:7: it refused the login of user 'ann'; check username and "
            "password",
            False,
        ),
        (
            BrokerConnectionError.no_virtual_host(ADDRESS),
            "cannot connect to h:7: there is no virtual host 'tests', or user 'ann' may not use "
            "it; create it, or check virtual_host",
            False,
        ),
    ],
    ids=["nothing listens", "login refused", "no virtual host"],
)
def test_connection_error_has_address_cause_and_remedy(
    error: BrokerConnectionError, text: str, is_transient: bool
) -> None:
    assert str(error) == text
    assert error.transient is is_transient
    assert "secret" not in str(error)


def test_refusal_has_the_broker_code_and_text() -> None:
    refused = Refused(404, "NOT_FOUND - no queue 'q' in vhost '/'")
    assert (refused.code, refused.text) == (404, "NOT_FOUND - no queue 'q' in vhost '/'")
    assert str(refused) == refused.text


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 252 + "..."),
        ("é" * 128, "é" * 126 + "..."),
        ("x" + "é" * 128, "x" + "é" * 125 + "..."),
    ],
    ids=["255 bytes", "256 bytes", "two bytes a letter", "within a letter"],
)
def test_refusal_text_is_cut_at_255_bytes(text: str, cut: str) -> None:
    assert str(Refused(406, text)) == cut
    assert len(cut.encode()) <= 255


@pytest.mark.parametrize("answer", [Refused, Lost, Unconfirmed])
def test_transport_errors_are_not_api_errors(answer: type[Exception]) -> None:
    assert not issubclass(answer, (MooqError, ConnectionError))
