"""RabbitMQ in a container with its management API, whatever image it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mooq.address import Address
from mooq.errors import BrokerConnectionError
from mooq.rabbitmq_broker.docker import IMAGE_VARIABLE, DockerLauncher
from mooq.rabbitmq_broker.ports import LOOPBACK
from tests.shared_broker import MissingError

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

BUILT_IMAGE = "mooq-rabbitmq:4.0"  # by .ci/images.sh
PUBLISHED_IMAGE = "rabbitmq:4.0"


class ManagedDockerLauncher(DockerLauncher):
    """A container whose management API, too, has a port of 127.0.0.1.

    Its image is the one that MOOQ_RABBITMQ_IMAGE names, else the one that .ci/images.sh builds if
    the engine has it, else one published for everybody.
    """

    def __init__(self, address: Address, management_port: int) -> None:
        super().__init__(address, os.environ.get(IMAGE_VARIABLE) or BUILT_IMAGE)
        self._management_port = management_port

    async def prepare(self) -> None:
        try:
            await super().prepare()
        except BrokerConnectionError as error:
            raise MissingError(str(error)) from error

    def _describe(self) -> DockerContainer:
        from testcontainers.core.config import testcontainers_config

        container = super()._describe()
        images = container.get_docker_client().client.images
        if self._image == BUILT_IMAGE and not images.list(BUILT_IMAGE):
            container.image = self._image = PUBLISHED_IMAGE
        # The run's owner removes the container. Ryuk is for an owner that was killed; a machine
        # without its image need not fetch it.
        if not images.list(testcontainers_config.ryuk_image):
            testcontainers_config.ryuk_disabled = True
        ports: dict[str, Any] = container.ports
        ports["15672/tcp"] = (LOOPBACK, self._management_port)
        return container.with_copy_into_container(
            b"[rabbitmq_management].", "/etc/rabbitmq/enabled_plugins"
        )
