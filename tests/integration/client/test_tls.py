"""TLS connections: verification of certificates and errors."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
import trustme

import mooq
from tests.conftest import BrokerAddress
from tests.integration.client.test_connecting import failure, is_silent, port_that, speaks_http
from tests.integration.client.tls import HOST, TLSLauncher, rabbitmq_with_tls
from tests.integration.steps import bodies_of, make_queue

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
VERIFIED = [
    pytest.param(
        HOST,
        {"not_after": NOW - DAY},
        "its certificate has expired; renew it there, or check the clock of this machine",
        id="expired",
    ),
    pytest.param(
        HOST,
        {"not_before": NOW + DAY, "not_after": NOW + 2 * DAY},
        "its certificate is not yet valid; check the clocks of both machines",
        id="not yet valid",
    ),
    pytest.param(
        "elsewhere.example",
        {},
        "its certificate is for another host (Hostname mismatch, certificate is not valid for "
        f"'{HOST}'); connect to a host name that it lists",
        id="other host name",
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tls() -> AsyncIterator[TLSLauncher]:
    async with rabbitmq_with_tls(trustme.CA()) as launcher:
        yield launcher


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def works(**arguments: Any) -> None:
    """Connect and pass a message over both connections that mooq opens."""
    async with await mooq.connect(**arguments) as conn:
        await make_queue(conn, "q")
        chan = await conn.create_channel()
        await chan.publish(exchange_name="log", msg="through TLS")
        assert await bodies_of(chan, "q") == ["through TLS"]


@pytest.mark.rabbit
async def test_certificate_of_trusted_authority_is_accepted(tls: TLSLauncher) -> None:
    await works(host=HOST, port=tls.tls_port, ssl=trusting(tls.authority))
    await works(url=f"amqps://{HOST}:{tls.tls_port}", ssl=trusting(tls.authority))


@pytest.mark.rabbit
async def test_system_authorities_are_trusted(
    tls: TLSLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = tmp_path / "authorities.pem"
    tls.authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    await works(url=f"amqps://{HOST}:{tls.tls_port}")
    await works(host=HOST, port=tls.tls_port, ssl=True)


@pytest.mark.rabbit
async def test_certificate_of_unknown_authority_is_refused(tls: TLSLauncher) -> None:
    for verifying in (True, trusting(trustme.CA())):
        error = await failure(host=HOST, port=tls.tls_port, ssl=verifying)
        assert str(error) == (
            f"cannot connect to {HOST}:{tls.tls_port}: its certificate is not trusted here "
            "(self-signed certificate in certificate chain); pass "
            "ssl=ssl.create_default_context(cafile=…) with the authority that signed it"
        )
        assert not error.transient


@pytest.mark.rabbit
@pytest.mark.parametrize(("host", "validity", "text"), VERIFIED)
async def test_invalid_certificate_is_refused(
    tls: TLSLauncher, host: str, validity: dict[str, Any], text: str
) -> None:
    async with tls.presenting(tls.authority.issue_cert(host, **validity)):
        error = await failure(host=HOST, port=tls.tls_port, ssl=trusting(tls.authority))
    assert str(error) == f"cannot connect to {HOST}:{tls.tls_port}: {text}"
    assert not error.transient


@pytest.mark.rabbit
async def test_host_missing_from_the_certificate_is_refused(tls: TLSLauncher) -> None:
    error = await failure(
        host="127.0.0.1", port=tls.tls_port, ssl=trusting(tls.authority), timeout=5
    )
    assert "its certificate is for another host (IP address mismatch" in str(error)


@pytest.mark.rabbit
async def test_context_can_disable_verification(tls: TLSLauncher) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await works(host="127.0.0.1", port=tls.tls_port, ssl=context)


@pytest.mark.rabbit
async def test_client_certificate_is_accepted(tls: TLSLauncher) -> None:
    context = trusting(tls.authority)
    tls.authority.issue_cert("client.example").configure_cert(context)
    await works(host=HOST, port=tls.tls_port, ssl=context)


@pytest.mark.rabbit
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_invalid_client_certificate_is_refused(
    tls: TLSLauncher, newest: ssl.TLSVersion
) -> None:
    # In TLS 1.3 the broker refuses only after the client's handshake is complete.
    expired = tls.authority.issue_cert("client.example", not_after=NOW - DAY)
    for certificate in (expired, trustme.CA().issue_cert("client.example")):
        context = trusting(tls.authority)
        context.maximum_version = newest
        certificate.configure_cert(context)
        error = await failure(host=HOST, port=tls.tls_port, ssl=context)
        assert str(error).startswith(
            f"cannot connect to {HOST}:{tls.tls_port}: it refused this client's certificate, "
            "or requires one ("
        )
        assert "load_cert_chain()" in str(error)
        assert not error.transient


@pytest.mark.rabbit
async def test_plain_connection_to_a_tls_port_fails(tls: TLSLauncher) -> None:
    error = await failure(host=HOST, port=tls.tls_port)
    assert str(error) == (
        f"cannot connect to {HOST}:{tls.tls_port}: the server there requires TLS; connect with "
        "ssl=True, or an amqps:// URL"
    )
    assert not error.transient


NO_TLS = (
    "the server there does not use TLS; check the port, which for TLS is usually 5671, or connect "
    "without ssl"
)


async def test_tls_to_a_plain_rabbitmq_port_fails(rabbit_address: BrokerAddress) -> None:
    place = f"{rabbit_address['host']}:{rabbit_address['port']}"
    virtual_host = quote(rabbit_address["virtual_host"], safe="")
    arguments: list[dict[str, Any]] = [
        {**rabbit_address, "ssl": True},
        {**rabbit_address, "ssl": ssl.create_default_context()},
        {"url": f"amqps://guest:guest@{place}/{virtual_host}"},
    ]
    for tls in arguments:
        error = await failure(**tls)
        assert str(error) == f"cannot connect to {place}: {NO_TLS}"
        assert not error.transient


async def test_tls_to_another_protocol_fails() -> None:
    async with port_that(speaks_http) as port:
        error = await failure(host="127.0.0.1", port=port, ssl=True)
        assert str(error) == f"cannot connect to 127.0.0.1:{port}: {NO_TLS}"


async def test_tls_to_a_silent_port_times_out() -> None:
    async with port_that(is_silent) as port:
        error = await failure(host="127.0.0.1", port=port, ssl=True, timeout=0.1)
        assert "no answer within 0.1 s" in str(error)


async def test_tls_to_a_closing_port_is_a_transient_error() -> None:
    async def closes(reader: Any, writer: Any) -> None:
        writer.close()

    async with port_that(closes) as port:
        error = await failure(host="127.0.0.1", port=port, ssl=True)
        assert error.transient
        assert "not RabbitMQ, or is not ready yet" in str(error)


async def test_in_memory_broker_ignores_tls() -> None:
    async with mooq.InMemoryBroker(host="tls", port=1):
        for tls in (True, False, None, ssl.create_default_context()):
            await works(host="tls", port=1, broker="in_memory", ssl=tls)
        await works(url="amqps://tls:1", broker="in_memory")
