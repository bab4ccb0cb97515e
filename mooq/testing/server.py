"""RabbitMQ for a run: started by a mooq launcher, or already running.

A started node is temporary: it has the management plugin, keeps its data in memory if possible, and
is labelled with its owner's name.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay

from mooq.basics.address import Address
from mooq.client.recovery import jittered, worth_waiting
from mooq.errors import BrokerConnectionError
from mooq.launchers import RabbitMQBroker
from mooq.launchers.docker import IMAGE_VARIABLE, DockerLauncher
from mooq.launchers.docker_host import find_docker_host
from mooq.launchers.launcher import Launcher
from mooq.launchers.owner import Owner, beginning_of
from mooq.launchers.ports import LOOPBACK, check_free, free_port
from mooq.launchers.process import ProcessLauncher
from mooq.launchers.readiness import handshake, wait_until_ready
from mooq.launchers.records import management_port_of
from mooq.launchers.selection import choose_launcher
from mooq.testing.orphans import OWNER_FILE
from mooq.testing.rabbitmq_settings import MANAGEMENT_PORT, RabbitMQSettings
from mooq.testing.virtual_hosts import Management

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

# In memory, so that creating a virtual host does not wait for the disk. No image has this folder;
# otherwise Docker would apply the image's owner and mode, with which RabbitMQ might not write.
DATA_FOLDER = "/mooq"
FREE_PORTS_TRIED = 3
FIRST_WAIT, LONGEST_WAIT = 0.02, 0.1  # seconds between two questions to the management API


class Missing(BrokerConnectionError):
    """This machine lacks a requirement of docker: an engine, an image or packages."""


class Node(NamedTuple):
    """A running RabbitMQ."""

    address: Address
    management: Management
    version: str
    how: str
    """Its description and origin, for people."""


class HarnessDockerLauncher(DockerLauncher):
    """A container that also publishes the management API. The run's owner removes it, not Ryuk."""

    has_ryuk: ClassVar[bool] = False
    image_option: ClassVar[str] = f"--mooq-image or {IMAGE_VARIABLE}"

    def __init__(self, address: Address, management_port: int, images: tuple[str, ...]) -> None:
        super().__init__(address, images[-1], management_port)
        self._images = images

    @property
    def image(self) -> str:
        """The image in use: the first that the engine has, else the last, which is downloaded."""
        return self._image

    async def prepare(self) -> None:
        """Prepare. Raises :class:`Missing` for what a machine without Docker lacks."""
        try:
            await super().prepare()
        except BrokerConnectionError as error:
            raise Missing(str(error)) from error

    def _describe(self) -> DockerContainer:
        container = super()._describe()
        images = container.get_docker_client().client.images
        for image in self._images:
            if images.list(image):
                container.image = self._image = image
                break
        return self._to_be_thrown_away(container)

    def _to_be_thrown_away(self, container: DockerContainer) -> DockerContainer:
        container.with_tmpfs_mount(DATA_FOLDER, "mode=1777")
        return container.with_envs(
            RABBITMQ_MNESIA_BASE=DATA_FOLDER,
            RABBITMQ_ENABLED_PLUGINS_FILE=f"{DATA_FOLDER}/enabled_plugins",
            RABBITMQ_ENABLED_PLUGINS="rabbitmq_management",
        )


class HarnessProcessLauncher(ProcessLauncher):
    """A node that is labelled with its owner's name."""

    def _launch(self, folder: Path) -> None:
        self._write_owner(folder, 0)
        super()._launch(folder)
        assert self._process is not None
        self._write_owner(folder, self._process.pid)

    def _write_owner(self, folder: Path, pid: int) -> None:
        began = beginning_of(pid) if pid else None
        new = folder / f"{OWNER_FILE}.new"
        new.write_text(json.dumps([str(Owner.this_process()), pid, began]))
        new.replace(folder / OWNER_FILE)


async def running_node(settings: RabbitMQSettings, address: Address) -> Node:
    """Return a RabbitMQ that is already running or starting.

    Like the other functions, raises :class:`~mooq.BrokerConnectionError`.
    """
    await wait_until_ready(partial(handshake, address), None, settings.timeout)
    return await _managed(
        address, _management_of(settings, address), settings.timeout, "already running"
    )


async def started_node(settings: RabbitMQSettings, at_the_end: AsyncExitStack) -> Node:
    """Start a RabbitMQ, removed ``at_the_end``. Also raises :class:`Missing`."""
    if settings.launcher in ("systemctl", "service"):
        return await _service(settings, at_the_end)
    host = LOOPBACK
    if settings.launcher == "docker":
        try:
            host = (await asyncio.to_thread(find_docker_host, "start RabbitMQ")).host
        except BrokerConnectionError as error:
            raise Missing(str(error)) from error
    for left in reversed(range(FREE_PORTS_TRIED)):
        address, management_port = Address(host, free_port()), free_port()
        try:
            return await _throw_away(settings, at_the_end, address, management_port)
        except BrokerConnectionError:
            # Another process may take a free port before it is used.
            is_here = host == LOOPBACK
            if not left or (
                is_here and await _is_free(address.port) and await _is_free(management_port)
            ):
                raise
    raise AssertionError("unreachable: the last attempt raises")


async def _throw_away(
    settings: RabbitMQSettings, at_the_end: AsyncExitStack, address: Address, management_port: int
) -> Node:
    launcher: HarnessDockerLauncher | HarnessProcessLauncher
    if settings.launcher == "docker":
        launcher = HarnessDockerLauncher(address, management_port, settings.images)
    else:
        launcher = HarnessProcessLauncher(address, management_port)
    await _run(launcher, address, settings.timeout, at_the_end)
    how = f"by {settings.launcher}"
    if isinstance(launcher, HarnessDockerLauncher):
        how += f" of {launcher.image}"
    management = Management(address.host, management_port, address.username, address.password)
    return await _managed(address, management, settings.timeout, how)


async def _service(settings: RabbitMQSettings, at_the_end: AsyncExitStack) -> Node:
    address = Address()
    launcher = choose_launcher(
        settings.launcher, address=address, image=None, unit=settings.unit, timeout=settings.timeout
    )
    await _run(launcher, address, settings.timeout, at_the_end)
    management = _management_of(settings, address)
    return await _managed(address, management, settings.timeout, f"by {settings.launcher}")


async def _run(
    launcher: Launcher, address: Address, timeout: float, at_the_end: AsyncExitStack
) -> None:
    broker = RabbitMQBroker(
        host=address.host, port=address.port, launcher=launcher, timeout=timeout
    )
    at_the_end.push_async_callback(broker.close)
    await broker.run()


def _management_of(settings: RabbitMQSettings, address: Address) -> Management:
    host, port = settings.management or (
        address.host,
        management_port_of(address.host, address.port) or MANAGEMENT_PORT,
    )
    return Management(host, port, address.username, address.password)


async def _managed(address: Address, management: Management, timeout: float, how: str) -> Node:
    """Return the node once its management API answers, some 0.1 s after AMQP does."""
    try:
        version: str = await AsyncRetrying(
            retry=retry_if_exception(worth_waiting),
            wait=jittered(FIRST_WAIT, LONGEST_WAIT, least=FIRST_WAIT),
            stop=stop_before_delay(timeout),
            reraise=True,
        )(asyncio.to_thread, management.version)
    except BrokerConnectionError as error:
        raise BrokerConnectionError(
            f"RabbitMQ answers at {address}, but {error}. Enable it with `rabbitmq-plugins "
            "enable rabbitmq_management`, or pass its address with --mooq-management=HOST:PORT",
            transient=False,
        ) from error
    return Node(address, management, version, how)


async def _is_free(port: int) -> bool:
    try:
        await check_free(Address(LOOPBACK, port))
    except BrokerConnectionError:
        return False
    return True
