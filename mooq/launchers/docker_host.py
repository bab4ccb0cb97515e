"""The host of containers' ports: this machine, or the machine of Docker's engine.

The engine is on another machine in GitLab's docker-in-docker jobs
(``DOCKER_HOST=tcp://docker:2375``) and, seen from inside, for a development container with the
engine's socket. testcontainers finds the host.
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


class DockerHost(NamedTuple):
    """The host to reach published ports, and the interface that they are published on."""

    host: str = LOOPBACK
    interface: str = LOOPBACK

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine."""
        return self.host == LOOPBACK


def find_docker_host(what: str) -> DockerHost:
    """Return the host of containers' ports. Ask the engine only if it may be another machine.

    Raises :class:`~mooq.BrokerConnectionError` if testcontainers is missing or the engine does not
    answer; the error names ``what`` cannot be done.
    """
    try:
        # Another thread may be importing Docker's client to look for leftovers. Two threads that
        # import different parts of a package before the package itself would deadlock.
        import docker  # noqa: F401
        import testcontainers.core.container  # noqa: F401
    except ImportError as error:
        raise BrokerConnectionError(
            f"cannot {what}: the docker launcher needs testcontainers ({error}); "
            "install it with: pip install 'mooq[docker]'",
            transient=False,
        ) from error
    with explained(f"{what} in Docker"):
        return _find()


def _socket(engine: str) -> Path:
    """Return the socket of an engine on this machine; a container need not have one."""
    return Path(engine.removeprefix("unix://") or "/var/run/docker.sock")


def _find() -> DockerHost:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.docker_client import DockerClient, get_docker_host
    from testcontainers.core.utils import inside_container

    engine = get_docker_host() or os.environ.get("DOCKER_HOST", "")
    is_remote = engine.startswith(("tcp://", "http://", "https://", "ssh://"))
    override = testcontainers_config.tc_host_override
    if not (is_remote or override or (inside_container() and _socket(engine).exists())):
        return DockerHost()
    host = override or DockerClient().host()
    if host in LOOPBACKS:
        return DockerHost()
    # With the engine's socket in a container, the host is the gateway: the engine's machine.
    return DockerHost(host, EVERYWHERE if is_remote or override else host)
