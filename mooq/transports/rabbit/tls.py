"""TLS errors, with advice for each."""

from __future__ import annotations

import asyncio
import ssl

# X.509 verification results (openssl-verification-options(1)).
NOT_YET_VALID, EXPIRED = 9, 10
OTHER_NAME = (62, 64)  # another host name; another IP address
UNTRUSTED = (18, 19, 20, 21)  # self-signed, also in a chain; issuer missing, or chain incomplete

TLS_PORT = 5671

# Read as the start of an AMQP frame, a TLS alert (RFC 8446 §6: type 21, version, length 2, level,
# description) announces a payload whose length is made up of 2, level and description.
ALERT_AS_FRAME = range(0x020100, 0x020300)


def tls_trouble(cause: BaseException | None) -> str | None:
    """Return the reason for a permanent TLS failure; None for anything else."""
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None  # an ordinary lost connection
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate(cause)
    if isinstance(cause, ssl.SSLError):
        return _tls(cause)
    if isinstance(cause, asyncio.IncompleteReadError) and _is_alert(cause):
        return "the server there requires TLS; connect with ssl=True, or an amqps:// URL"
    return None


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.rstrip(".")
    if error.verify_code == EXPIRED:
        return "its certificate has expired; renew it there, or check the clock of this machine"
    if error.verify_code == NOT_YET_VALID:
        return "its certificate is not yet valid; check the clocks of both machines"
    if error.verify_code in OTHER_NAME:
        return f"its certificate is for another host ({said}); connect to a host name that it lists"
    if error.verify_code in UNTRUSTED:
        return (
            f"its certificate is not trusted here ({said}); pass "
            "ssl=ssl.create_default_context(cafile=…) with the authority that signed it"
        )
    return f"its certificate is not accepted here ({said})"


def _tls(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if reason == "WRONG_VERSION_NUMBER":
        return (
            "the server there does not use TLS; check the port, which for TLS is usually "
            f"{TLS_PORT}, or connect without ssl"
        )
    if "ALERT" in reason and ("CERT" in reason or "UNKNOWN_CA" in reason):
        return (
            f"it refused this client's certificate, or requires one ({reason}); load one that it "
            "trusts with load_cert_chain() on the SSLContext passed as ssl"
        )
    return f"TLS failed ({reason}); check the SSLContext, and which versions the broker supports"


def _is_alert(cut_short: asyncio.IncompleteReadError) -> bool:
    expected = cut_short.expected
    return expected is not None and expected - 1 in ALERT_AS_FRAME
