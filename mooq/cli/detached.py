"""Launchers of nodes that keep running after the command; finding and stopping these nodes.

A container is found by its label, everything else by a record on disk. None has an owner at whose
end it is removed: neither testcontainers' Ryuk nor a test run's label applies to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mooq.basics.address import Address, host_and_port
from mooq.basics.wording import in_seconds
from mooq.errors import BrokerConnectionError
from mooq.launchers.docker import IMAGE_VARIABLE, DockerLauncher
from mooq.launchers.engine import explained
from mooq.launchers.launcher import Launcher
from mooq.launchers.owner import beginning_of
from mooq.launchers.process import ProcessLauncher
from mooq.launchers.records import NodeRecord, records
from mooq.launchers.selection import choose_launcher

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container
    from testcontainers.core.container import DockerContainer

USER_LABEL = "mooq.up"
ADDRESS_LABEL = "mooq.up.address"
MANAGEMENT_LABEL = "mooq.up.management"
LONGEST_END = 10.0  # seconds until a killed node is gone
BETWEEN_LOOKS = 0.02  # seconds


class DetachedDockerLauncher(DockerLauncher):
    """A container that runs until `mooq down`."""

    has_ryuk: ClassVar[bool] = False
    image_option: ClassVar[str] = f"--image or {IMAGE_VARIABLE}"

    def _describe(self) -> DockerContainer:
        # RabbitMQ's images have the management plugin, and most do not enable it.
        return (
            super()
            ._describe()
            .with_copy_into_container(
                b"[rabbitmq_management].", "/etc/rabbitmq/enabled_plugins", mode=0o644
            )
        )

    def _labels(self) -> dict[str, str]:
        return {
            USER_LABEL: _user(),
            ADDRESS_LABEL: str(self._address),
            MANAGEMENT_LABEL: str(self._management_port),
        }

    async def start(self) -> None:
        """Start it, and write its record."""
        await super().start()
        self.record.save()

    async def stop(self) -> None:
        """Stop it."""
        await super().stop()
        self.record.forget()

    @property
    def record(self) -> NodeRecord:
        """Its record."""
        return NodeRecord(
            "docker",
            self._address.host,
            self._address.port,
            management_port=self._management_port,
        )


class DetachedProcessLauncher(ProcessLauncher):
    """A node of this user that runs until `mooq down`."""

    _record: NodeRecord | None = None

    def _launch(self, folder: Path) -> None:
        super()._launch(folder)
        assert self._process is not None
        pid = self._process.pid
        self._record = NodeRecord(
            "process",
            self._address.host,
            self._address.port,
            pid=pid,
            began=beginning_of(pid) or "",
            folder=str(folder),
            management_port=self._management_port,
        )
        self._record.save()

    def let_go(self) -> None:
        """Detach from the node, so that it is no longer this process's child."""
        assert self._process is not None
        self._process.returncode = (
            0  # otherwise Popen warns, when collected, that it was not awaited
        )

    def _stop(self) -> None:
        super()._stop()
        if self._record is not None:
            self._record.forget()


@dataclass(frozen=True)
class Detached:
    """A node that runs until it is stopped."""

    launcher: str
    host: str
    port: int
    end: Callable[[], Awaitable[None]]
    management_port: int = 0

    @property
    def url(self) -> str:
        """Its address, with RabbitMQ's default user."""
        return f"amqp://guest:guest@{host_and_port(self.host, self.port)}"

    @property
    def management(self) -> str:
        """``host:port`` of its management API; empty if unknown."""
        return host_and_port(self.host, self.management_port) if self.management_port else ""


def detached_launcher(
    name: str,
    address: Address,
    image: str | None,
    unit: str,
    timeout: float,
    management_port: int,
) -> Launcher:
    """Return the launcher of this name, for a node that keeps running."""
    match name:
        case "docker":
            return DetachedDockerLauncher(address, image, management_port)
        case "process":
            return DetachedProcessLauncher(address, management_port)
        case _:  # services of the machine, which keep running anyway
            return choose_launcher(name, address=address, image=None, unit=unit, timeout=timeout)


def recorded(timeout: float) -> list[Detached]:
    """Return the recorded nodes; a service has ``timeout`` seconds to stop.

    Raises :class:`~mooq.MooqError` for a damaged record.
    """
    return [
        Detached(
            record.launcher,
            record.host,
            record.port,
            partial(_end_process, record)
            if record.launcher == "process"
            else partial(_end_service, record, timeout),
            record.management_port,
        )
        for record in records()
        if record.launcher != "docker"  # containers are found through the engine
    ]


async def containers() -> list[Detached]:
    """Return this user's containers; none if Docker's client is not installed.

    Raises :class:`~mooq.BrokerConnectionError` if Docker's engine does not answer.
    """
    return await asyncio.to_thread(_containers)


def _containers() -> list[Detached]:
    if find_spec("testcontainers") is None:
        return []
    with _engine("look for containers of `mooq up`") as engine:
        found: list[Container] = engine.containers.list(
            all=True, ignore_removed=True, filters={"label": f"{USER_LABEL}={_user()}"}
        )
    nodes = []
    for container in found:
        where, _, port = container.labels[ADDRESS_LABEL].rpartition(":")
        host = where.strip("[]")
        management_port = int(container.labels.get(MANAGEMENT_LABEL, 0))
        record = NodeRecord("docker", host, int(port), management_port=management_port)
        end = partial(asyncio.to_thread, _remove, container.id, record)
        nodes.append(Detached("docker", host, int(port), end, management_port))
    return nodes


def _remove(container: str, record: NodeRecord) -> None:
    from docker.errors import NotFound

    record.forget()
    with _engine(f"remove the container {container}") as engine, contextlib.suppress(NotFound):
        engine.containers.get(container).remove(force=True, v=True)


@contextlib.contextmanager
def _engine(what: str) -> Iterator[docker.DockerClient]:
    """Run a request on the engine that the docker launcher would use."""
    from testcontainers.core.docker_client import DockerClient

    with explained(what):
        client = DockerClient().client
        with contextlib.closing(client):
            yield client


async def _end_process(record: NodeRecord) -> None:
    if beginning_of(record.pid) == record.began:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(record.pid, signal.SIGKILL)
        await _gone(record)
    await asyncio.to_thread(_delete, record)


def _delete(record: NodeRecord) -> None:
    with contextlib.suppress(FileNotFoundError):  # already removed
        shutil.rmtree(record.folder)
    record.forget()


async def _gone(record: NodeRecord) -> None:
    from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

    async def runs() -> bool:
        return beginning_of(record.pid) == record.began

    if await AsyncRetrying(
        retry=retry_if_result(bool),
        wait=wait_fixed(BETWEEN_LOOKS),
        stop=stop_after_delay(LONGEST_END),
        retry_error_callback=lambda _: True,
    )(runs):
        raise BrokerConnectionError(
            f"process {record.pid}, the RabbitMQ at {host_and_port(record.host, record.port)}, is "
            f"still running {in_seconds(LONGEST_END)} after it was killed"
        )


async def _end_service(record: NodeRecord, timeout: float) -> None:
    address = Address(record.host, record.port)
    await choose_launcher(
        record.launcher, address=address, image=None, unit=record.unit, timeout=timeout
    ).stop()
    record.forget()


def _user() -> str:
    """Return the owner of a container, on an engine that several users may share."""
    import getpass

    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
