"""RabbitMQ in a container, through testcontainers.

The official images let guest log in from outside the container (`loopback_users.guest = false` in
their conf.d/10-defaults.conf). Another image must do the same, or be used with another username,
which RabbitMQ creates as its first user.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.launchers.cancellation import finish
from mooq.launchers.docker_host import EVERYWHERE, DockerHost, find_docker_host
from mooq.launchers.engine import explained, fetch_image, fetch_reaper_image
from mooq.launchers.launcher import LOG_LINES, Launcher, node_settings
from mooq.launchers.owner import LABEL, Owner
from mooq.launchers.ports import check_free

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

T = TypeVar("T")

log: logging.Logger = logging.getLogger("mooq")

IMAGE_VARIABLE = "MOOQ_RABBITMQ_IMAGE"
DEFAULT_IMAGE = "rabbitmq:4"
AMQP_PORT = "5672/tcp"
MANAGEMENT_PORT = "15672/tcp"
OPEN_FILES = 65536  # without a limit RabbitMQ is busy for minutes (docker-library/rabbitmq#545)
LONGEST_SHUTDOWN = 10  # seconds


class DockerLauncher(Launcher):
    """One container, whose AMQP port is published at the broker's port as long as it lives.

    It is published on 127.0.0.1; if Docker's engine is on another machine, it is published there.
    """

    has_ryuk: ClassVar[bool] = True
    """Whether testcontainers' Ryuk removes the container of a killed program."""

    image_option: ClassVar[str] = f"image= or {IMAGE_VARIABLE}"
    """The option with which a user chooses the image."""

    def __init__(self, address: Address, image: str | None, management_port: int = 0) -> None:
        self._address = address
        self._management_port = management_port
        self._image = image or os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        self._container: DockerContainer | None = None
        self._host = DockerHost()

    async def prepare(self) -> None:
        self._host = await asyncio.to_thread(find_docker_host, f"start RabbitMQ at {self._address}")
        if self._host.is_local:
            await check_free(self._address)
        elif self._address.host != self._host.host:
            raise ValueError(
                f"host must be {self._host.host!r}, not {self._address.host!r}: Docker's engine "
                "runs there, not on this machine"
            )
        else:
            log.warning(
                "Docker's engine runs at %s, not on this machine: RabbitMQ's port %d is published "
                "on %s there, where other machines may reach it",
                self._host.host,
                self._address.port,
                "every interface" if self._host.interface == EVERYWHERE else "that address",
            )
        # Given up at once when cancelled: a download may take minutes, and there is nothing to
        # undo.
        self._container = await asyncio.to_thread(self._prepare)

    def _prepare(self) -> DockerContainer:
        container = self._describe()
        client = container.get_docker_client().client
        try:
            fetch_image(client, container.image, f"choose another with {self.image_option}")
            if self.has_ryuk:
                fetch_reaper_image(client)
        except BaseException:
            client.close()
            raise
        return container

    def _describe(self) -> DockerContainer:
        """Return the container to start; its client has connected to the engine."""
        import docker
        from testcontainers.core.container import DockerContainer

        from mooq.launchers.unreaped import UnreapedContainer

        kind = DockerContainer if self.has_ryuk else UnreapedContainer
        with explained(f"start RabbitMQ at {self._address} in Docker"):
            container = kind(self._image)
        ports: dict[str, Any] = container.ports  # with_bind_ports() cannot name an interface
        ports[AMQP_PORT] = (self._host.interface, self._address.port)
        if self._management_port:
            ports[MANAGEMENT_PORT] = (self._host.interface, self._management_port)
        container.with_envs(**node_settings(self._address))
        files = _open_files()
        return container.with_kwargs(
            ulimits=[docker.types.Ulimit(name="nofile", soft=files, hard=files)],
            labels=self._labels(),
        )

    def _labels(self) -> dict[str, str]:
        """Return the labels that name the container's owner."""
        return {"mooq": self._address.name, LABEL: str(Owner.this_process())}

    async def start(self) -> None:
        await self._ask("start", self._prepared().start)

    async def restart(self) -> None:
        node = self._prepared().get_wrapped_container()
        await self._ask("restart", lambda: node.restart(timeout=LONGEST_SHUTDOWN))

    async def stop(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            await self._ask("remove", lambda: _remove(container))

    async def death(self) -> str | None:
        return await self._ask("inspect", self._death)

    def _death(self) -> str | None:
        from docker.errors import NotFound

        node = self._prepared().get_wrapped_container()
        try:
            node.reload()
        except NotFound:
            return f"the container of {self._image!r} was removed"
        state = node.attrs["State"]
        if state["Running"]:
            return None
        status = f"status {state['ExitCode']}" + (", out of memory" if state["OOMKilled"] else "")
        return f"the container of {self._image!r} exited with {status}"

    async def log(self) -> str:
        node = self._prepared().get_wrapped_container()
        with suppress(BrokerConnectionError):
            said: bytes = await self._ask("read the log of", lambda: node.logs(tail=LOG_LINES))
            return said.decode(errors="replace").rstrip()
        return ""

    def _prepared(self) -> DockerContainer:
        assert self._container is not None
        return self._container

    async def _ask(self, verb: str, question: Callable[[], T]) -> T:
        """Run an engine request in a thread, to the end: ``stop`` must know what it created."""

        def ask() -> T:
            with explained(
                f"{verb} the container of {self._image!r} for RabbitMQ at {self._address}"
            ):
                return question()

        return await finish(asyncio.to_thread(ask))


def _open_files() -> int:
    """Return a limit that the engine can set: an unprivileged engine cannot raise its own."""
    if sys.platform == "win32":
        return OPEN_FILES
    import resource

    return min(OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _remove(container: DockerContainer) -> None:
    from docker.errors import NotFound

    try:
        container.stop()
    except NotFound:
        pass  # already removed
    finally:
        container.get_docker_client().client.close()
