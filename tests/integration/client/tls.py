"""A RabbitMQ with a TLS listener and generated certificates."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trustme

from mooq.basics.address import Address
from mooq.launchers import RabbitMQBroker
from mooq.launchers.ports import LOOPBACK, free_port
from tests.managed_docker import ManagedDockerLauncher
from tests.shared_broker import READY_TIMEOUT, MissingError, leave_out

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

PORT = 5671
HOST = "localhost"
AUTHORITY, CERTIFICATE, KEY = (
    "/etc/rabbitmq/ca.pem",
    "/etc/rabbitmq/cert.pem",
    "/etc/rabbitmq/key.pem",
)
SETTINGS = f"""\
listeners.ssl.default = {PORT}
ssl_options.cacertfile = {AUTHORITY}
ssl_options.certfile = {CERTIFICATE}
ssl_options.keyfile = {KEY}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
"""


class TLSLauncher(ManagedDockerLauncher):
    """A container with a plain port and a TLS port."""

    def __init__(self, authority: trustme.CA) -> None:
        super().__init__(Address(LOOPBACK, free_port()), free_port())
        self.authority = authority
        self.plain_port = self._address.port
        self.tls_port = free_port()
        self._certificate = authority.issue_cert(HOST)

    def _to_be_thrown_away(self, container: DockerContainer) -> DockerContainer:
        ports: dict[str, Any] = container.ports
        ports[f"{PORT}/tcp"] = (LOOPBACK, self.tls_port)
        files = _files(self._certificate) | {
            AUTHORITY: self.authority.cert_pem.bytes(),
            "/etc/rabbitmq/conf.d/90-tls.conf": SETTINGS.encode(),
        }
        for path, content in files.items():
            container.with_copy_into_container(content, path)
        return super()._to_be_thrown_away(container)

    @asynccontextmanager
    async def presenting(self, certificate: trustme.LeafCert) -> AsyncIterator[None]:
        """Let RabbitMQ present another certificate while the block lasts."""
        await asyncio.to_thread(self._present, certificate)
        try:
            yield
        finally:
            await asyncio.to_thread(self._present, self._certificate)

    def _present(self, certificate: trustme.LeafCert) -> None:
        node = self._prepared().get_wrapped_container()
        with io.BytesIO() as archive:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                for path, content in _files(certificate).items():
                    entry = tarfile.TarInfo(path)
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
            node.put_archive("/", archive.getvalue())
        # RabbitMQ's documentation says to clear the cache after renewing certificates.
        status, said = node.exec_run(["rabbitmqctl", "eval", "ssl:clear_pem_cache()."])
        assert status == 0, said


def _files(certificate: trustme.LeafCert) -> dict[str, bytes]:
    return {
        CERTIFICATE: certificate.cert_chain_pems[0].bytes(),
        KEY: certificate.private_key_pem.bytes(),
    }


@asynccontextmanager
async def rabbitmq_with_tls(authority: trustme.CA) -> AsyncIterator[TLSLauncher]:
    """Run RabbitMQ in a container, with a certificate that an authority signed."""
    launcher = TLSLauncher(authority)
    broker = RabbitMQBroker(
        host=LOOPBACK, port=launcher.plain_port, launcher=launcher, timeout=READY_TIMEOUT
    )
    try:
        await broker.run()
    except MissingError as error:
        leave_out(str(error))
    try:
        yield launcher
    finally:
        await broker.close()
