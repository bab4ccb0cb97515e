"""Explanations of errors that Python's ssl raises; tests/integration uses a real listener."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from mooq.transports.rabbit.tls import tls_trouble


def failed(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, f"certificate verify failed: {message}")
    error.verify_code, error.verify_message = code, message
    return error


def reason(name: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {name}] said OpenSSL")
    error.reason = name
    return error


@pytest.mark.parametrize(
    ("cause", "trouble"),
    [
        (failed(23, "certificate revoked"), "its certificate is not accepted here (certificate re"),
        (reason("NO_CIPHERS_AVAILABLE"), "TLS failed (NO_CIPHERS_AVAILABLE); check the SSLContex"),
        (reason("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "it refused this client's certificate"),
        (reason("TLSV1_ALERT_INTERNAL_ERROR"), "TLS failed (TLSV1_ALERT_INTERNAL_ERROR); check"),
        (
            asyncio.IncompleteReadError(b"", 0x020228 + 1),
            "the server there requires TLS; connect with ssl=",
        ),
    ],
    ids=lambda one: None if isinstance(one, str) else repr(one),
)
def test_tls_failure_is_explained(cause: Exception, trouble: str) -> None:
    assert (tls_trouble(cause) or "").startswith(trouble)


@pytest.mark.parametrize(
    "cause",
    [
        None,
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
        ssl.SSLZeroReturnError(6, "closed"),
        ConnectionResetError(),
        asyncio.IncompleteReadError(b"", 8),
        asyncio.IncompleteReadError(b"", None),
    ],
    ids=repr,
)
def test_broken_connection_is_not_a_tls_failure(cause: Exception | None) -> None:
    assert tls_trouble(cause) is None
