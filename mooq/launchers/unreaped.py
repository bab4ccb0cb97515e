"""A container that testcontainers' Ryuk has no part in, whatever the rest of the process does."""

from __future__ import annotations

from typing import Self

from testcontainers.core.container import DockerContainer


class UnreapedContainer(DockerContainer):
    """A container that is started without Ryuk: its owner sees to its end in another way.

    testcontainers can only do without Ryuk for the whole process, which would take it from the
    containers of others.
    """

    def start(self) -> Self:
        """Create and start the container, whose image the engine has."""
        client = self.get_docker_client()
        self._configure()
        self._container = client.create(
            self.image, environment=self.env, ports=self.ports, tmpfs=self.tmpfs, **self._kwargs
        )
        for spec in self._transferable_specs:
            self._transfer_into_container(*spec)
        client.start(self._container)
        return self
