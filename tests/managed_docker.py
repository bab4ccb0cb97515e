"""A launcher for tests that runs RabbitMQ with its management API in a container."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from mooq.basics.address import Address
from mooq.launchers.docker import IMAGE_VARIABLE
from mooq.testing.server import HarnessDockerLauncher

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGES = (
    "mooq-rabbitmq:4.0",
    "rabbitmq:4.0",
)  # the first is built by .ci/images.sh, the second is published


def image_at_hand() -> str:
    """Return the image for containers that a command line tool starts."""
    built, published = IMAGES
    known = subprocess.run(["docker", "image", "inspect", built], capture_output=True, check=False)
    return os.environ.get(IMAGE_VARIABLE) or (published if known.returncode else built)


class ManagedDockerLauncher(HarnessDockerLauncher):
    """A container with a management port on 127.0.0.1; its data survives restarts."""

    def __init__(self, address: Address, management_port: int) -> None:
        named = os.environ.get(IMAGE_VARIABLE)
        super().__init__(address, management_port, (named,) if named else IMAGES)

    def _to_be_thrown_away(self, container: DockerContainer) -> DockerContainer:
        return container.with_copy_into_container(
            b"[rabbitmq_management].", "/etc/rabbitmq/enabled_plugins"
        )
