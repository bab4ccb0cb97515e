"""RabbitMQ in a container, through testcontainers.

The official images let guest log in from outside the container (`loopback_users.guest = false`
in their conf.d/10-defaults.conf); another image must do the same, or be used with another
username, which RabbitMQ makes its first user.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mooq.address import Address
from mooq.errors import BrokerConnectionError
from mooq.rabbitmq_broker.engine import explained, fetch_image, fetch_reaper_image
from mooq.rabbitmq_broker.finishing import finish
from mooq.rabbitmq_broker.launcher import LOG_LINES, Launcher, node_settings
from mooq.rabbitmq_broker.owner import LABEL, Owner
from mooq.rabbitmq_broker.ports import LOOPBACK, check_free

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

T = TypeVar("T")

IMAGE_VARIABLE = "MOOQ_RABBITMQ_IMAGE"
DEFAULT_IMAGE = "rabbitmq:4"
AMQP_PORT = "5672/tcp"
OPEN_FILES = 65536  # enough; with no limit RabbitMQ spins for minutes (docker-library/rabbitmq#545)
LONGEST_SHUTDOWN = 10  # seconds


class DockerLauncher(Launcher):
    """One container, its AMQP port bound to the broker's on 127.0.0.1 for as long as it lives."""

    image_option: ClassVar[str] = f"image= or {IMAGE_VARIABLE}"
    """How a user names the image."""

    def __init__(self, address: Address, image: str | None) -> None:
        self._address = address
        self._image = image or os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        self._container: DockerContainer | None = None

    async def prepare(self) -> None:
        await check_free(self._address)
        # Given up at once when cancelled: a download may take minutes, and there is nothing to
        # undo.
        self._container = await asyncio.to_thread(self._prepare)

    def _prepare(self) -> DockerContainer:
        container = self._describe()
        client = container.get_docker_client().client
        try:
            fetch_image(client, container.image, f"name another by {self.image_option}")
            fetch_reaper_image(client)
        except BaseException:
            client.close()
            raise
        return container

    def _describe(self) -> DockerContainer:
        """Return the container to start; its client has spoken to the engine."""
        try:
            # Two threads that import different parts of a package before the package itself, as
            # another may right now to look for leftovers, would wait for each other.
            import docker
            from testcontainers.core.container import DockerContainer
        except ImportError as error:
            raise BrokerConnectionError(
                f"cannot start RabbitMQ at {self._address}: the docker launcher needs "
                f"testcontainers ({error}); pip install 'mooq[docker]'",
                transient=False,
            ) from error

        with explained(f"start RabbitMQ at {self._address} in Docker"):
            container = DockerContainer(self._image)
        ports: dict[str, Any] = container.ports  # with_bind_ports() cannot name an interface
        ports[AMQP_PORT] = (LOOPBACK, self._address.port)
        container.with_envs(**node_settings(self._address))
        files = _open_files()
        return container.with_kwargs(
            ulimits=[docker.types.Ulimit(name="nofile", soft=files, hard=files)],
            labels=self._labels(),
        )

    def _labels(self) -> dict[str, str]:
        """Return what tells whose the container is."""
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
            return f"somebody removed the container of {self._image!r}"
        state = node.attrs["State"]
        if state["Running"]:
            return None
        status = f"exit status {state['ExitCode']}" + (
            ", out of memory" if state["OOMKilled"] else ""
        )
        return f"the container of {self._image!r} ended with {status}"

    async def log(self) -> str:
        node = self._prepared().get_wrapped_container()
        with suppress(BrokerConnectionError):
            log: bytes = await self._ask("read the log of", lambda: node.logs(tail=LOG_LINES))
            return log.decode(errors="replace").rstrip()
        return ""

    def _prepared(self) -> DockerContainer:
        assert self._container is not None
        return self._container

    async def _ask(self, verb: str, question: Callable[[], T]) -> T:
        """Ask the engine in a thread, to the end: what it begins must be known to ``stop``."""

        def ask() -> T:
            with explained(
                f"{verb} the container of {self._image!r} for RabbitMQ at {self._address}"
            ):
                return question()

        return await finish(asyncio.to_thread(ask))


def _open_files() -> int:
    """Return a limit that the engine, too, may set: one without privileges cannot raise its own."""
    if sys.platform == "win32":
        return OPEN_FILES
    import resource

    return min(OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _remove(container: DockerContainer) -> None:
    from docker.errors import NotFound

    try:
        container.stop()
    except NotFound:
        pass  # somebody else removed it
    finally:
        container.get_docker_client().client.close()
