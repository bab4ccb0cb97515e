"""The place of containers' ports: on this machine, or wherever Docker's engine is.

The engine is elsewhere for jobs of GitLab's docker-in-docker (``DOCKER_HOST=tcp://docker:2375``)
and inside a development container that has the engine's socket. testcontainers knows the host.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from mooq.errors import BrokerConnectionError
from mooq.launchers.engine import explained
from mooq.launchers.ports import LOOPBACK

LOOPBACKS = frozenset({"localhost", LOOPBACK, "::1"})
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where the engine is on another machine


class Place(NamedTuple):
    """The host at which published ports are reached, and the interface they are published on."""

    host: str = LOOPBACK
    interface: str = LOOPBACK

    @property
    def is_here(self) -> bool:
        """Whether that is the loopback interface of this machine."""
        return self.host == LOOPBACK


def place_of_ports(what: str) -> Place:
    """Return where the ports of containers are. Asks the engine only if it may be elsewhere.

    Raises :class:`~mooq.BrokerConnectionError`, naming ``what`` cannot be done, without
    testcontainers or without an answer of the engine.
    """
    try:
        # Two threads that import different parts of a package before the package itself, as
        # another may right now to look for leftovers, would wait for each other.
        import docker  # noqa: F401
        import testcontainers.core.container  # noqa: F401
    except ImportError as error:
        raise BrokerConnectionError(
            f"cannot {what}: the docker launcher needs testcontainers ({error}); "
            "pip install 'mooq[docker]'",
            transient=False,
        ) from error
    with explained(f"{what} in Docker"):
        return _place()


def _socket(engine: str) -> Path:
    """Return the socket of an engine on this machine; a container need not have one."""
    return Path(engine.removeprefix("unix://") or "/var/run/docker.sock")


def _place() -> Place:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.docker_client import DockerClient, get_docker_host
    from testcontainers.core.utils import inside_container

    engine = get_docker_host() or os.environ.get("DOCKER_HOST", "")
    is_remote = engine.startswith(("tcp://", "http://", "https://", "ssh://"))
    override = testcontainers_config.tc_host_override
    if not (is_remote or override or (inside_container() and _socket(engine).exists())):
        return Place()
    host = override or DockerClient().host()
    if host in LOOPBACKS:
        return Place()
    # Beside the engine's socket the host is the gateway, an address of the engine's own machine.
    return Place(host, EVERYWHERE if is_remote or override else host)
