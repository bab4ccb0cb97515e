"""RabbitMQ in a container of a test's own, whatever image it is, which survives a restart."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from mooq.basics.address import Address
from mooq.launchers.docker import IMAGE_VARIABLE
from mooq.testing.server import HarnessDockerLauncher

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGES = ("mooq-rabbitmq:4.0", "rabbitmq:4.0")  # built by .ci/images.sh; published


def image_at_hand() -> str:
    """Return the image to start a container of by a command of the machine's."""
    built, published = IMAGES
    known = subprocess.run(["docker", "image", "inspect", built], capture_output=True, check=False)
    return os.environ.get(IMAGE_VARIABLE) or (published if known.returncode else built)


class ManagedDockerLauncher(HarnessDockerLauncher):
    """A container whose management API, too, has a port of 127.0.0.1; its data stays."""

    def __init__(self, address: Address, management_port: int) -> None:
        named = os.environ.get(IMAGE_VARIABLE)
        super().__init__(address, management_port, (named,) if named else IMAGES)

    def _to_be_thrown_away(self, container: DockerContainer) -> DockerContainer:
        return container.with_copy_into_container(
            b"[rabbitmq_management].", "/etc/rabbitmq/enabled_plugins"
        )
