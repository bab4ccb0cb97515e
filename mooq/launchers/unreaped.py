"""A container that testcontainers' Ryuk does not remove."""

from __future__ import annotations

from typing import Self

from testcontainers.core.container import DockerContainer


class UnreapedContainer(DockerContainer):
    """A container that is started without Ryuk, because its owner removes it.

    testcontainers can switch Ryuk off only for the whole process, which would affect other
    containers.
    """

    def start(self) -> Self:
        """Create and start the container, from an image that the engine has."""
        client = self.get_docker_client()
        self._configure()
        self._container = client.create(
            self.image, environment=self.env, ports=self.ports, tmpfs=self.tmpfs, **self._kwargs
        )
        for spec in self._transferable_specs:
            self._transfer_into_container(*spec)
        client.start(self._container)
        return self
