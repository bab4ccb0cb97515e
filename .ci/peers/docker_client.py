"""A replacement for a suite's Docker client, whose container is the running broker."""

import os
from dataclasses import dataclass, field


class DockerNotAvailableError(Exception):
    """Never raised; imported by the suites' conftest."""


@dataclass
class DockerHostInfo:
    container_host: str = os.environ["RABBITMQ_HOST"]


@dataclass
class ContainerInfo:
    id: str = "none"
    host: str = os.environ["RABBITMQ_HOST"]
    ports: dict[str, int] = field(
        default_factory=lambda: {
            "5672/tcp": int(os.environ["RABBITMQ_5672_TCP"]),
            "5671/tcp": 1,  # TLS tests are excluded
        }
    )


def check_docker_available() -> DockerHostInfo:
    return DockerHostInfo()


class DockerClient:
    def __init__(self, info: object = None) -> None: ...

    def run(
        self, image: str, ports: list[str], environment: dict[str, str] | None = None
    ) -> ContainerInfo:
        return ContainerInfo()

    def kill(self, container_id: str) -> None: ...

    def remove(self, container_id: str) -> None: ...
