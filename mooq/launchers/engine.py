"""Docker's engine: mooq's errors for its failures, and its images."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mooq.basics.address import mask
from mooq.errors import BrokerConnectionError

if TYPE_CHECKING:
    from docker import DockerClient

ENGINE_VARIABLE = "DOCKER_HOST"
"""The environment variable with the address of Docker's engine."""

log: logging.Logger = logging.getLogger("mooq")


@contextmanager
def explained(what: str, remedy: str = "") -> Iterator[None]:
    """Raise :class:`~mooq.BrokerConnectionError` for any error of Docker's client."""
    from docker.errors import DockerException

    try:
        yield
    # OSError comes from the HTTP client, RuntimeError from testcontainers, and ValueError from
    # both for an engine's address that they cannot parse.
    except (DockerException, OSError, RuntimeError, ValueError) as error:
        reason = _reason(error)
        raise BrokerConnectionError(
            f"cannot {what}: {reason}" + (f"; {remedy}" if remedy else ""), transient=False
        ) from error


def _reason(error: Exception) -> str:
    from requests.exceptions import ConnectionError as NoEngine

    engine = os.environ.get(ENGINE_VARIABLE, "")
    if engine and not _is_address(engine):
        return (
            f"the environment variable {ENGINE_VARIABLE} is {mask(engine)!r}, which is not the "
            "address of a Docker engine; set it to one, such as unix:///var/run/docker.sock, or "
            "unset it"
        )
    causes = list(_chain(error))
    if any(isinstance(cause, NoEngine) for cause in causes):
        if any(isinstance(cause, PermissionError) for cause in causes):
            return (
                "this user may not use the socket of Docker's engine; add the user to the group "
                "'docker' and log in again, run Docker rootless, or choose another launcher"
            )
        return (
            f"Docker's engine does not answer ({causes[-1]}{_at(engine)}); install Docker, start "
            "its engine, or choose another launcher"
        )
    return str(getattr(error, "explanation", None) or error)


def _is_address(engine: str) -> bool:
    from docker.errors import DockerException
    from docker.utils import parse_host

    try:
        parse_host(engine)
    except (DockerException, ValueError):
        return False
    return True


def _at(engine: str) -> str:
    """Return where the engine was looked for, if the environment says it."""
    return f"; {ENGINE_VARIABLE} is {mask(engine)!r}" if engine else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def fetch_image(client: DockerClient, image: str, remedy: str) -> None:
    """Make sure that the engine has an image; download it if needed."""
    from docker.errors import ImageNotFound

    with explained(f"get the image {image!r}", f"pull or build it on this machine, or {remedy}"):
        try:
            client.images.get(image)
        except ImageNotFound:
            log.info("downloading the image %r", image)
            client.images.pull(image)


def fetch_reaper_image(client: DockerClient) -> None:
    """Make sure of Ryuk's image, with which testcontainers cleans up after killed programs."""
    from testcontainers.core.config import testcontainers_config

    if not testcontainers_config.ryuk_disabled:
        remedy = "set TESTCONTAINERS_RYUK_DISABLED=true to run without it"
        fetch_image(client, testcontainers_config.ryuk_image, remedy)
