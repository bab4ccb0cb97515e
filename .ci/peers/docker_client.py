"""Put in the place of a suite's Docker client: its container is the broker that runs already."""

import os
from dataclasses import dataclass, field


class DockerNotAvailableError(Exception):
    """Raised nowhere; the suites' conftest imports it."""


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
            "5671/tcp": 1,  # the suites' TLS tests are left out
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
