"""Docker's engine: mooq's errors for its failures, and its images."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mooq.errors import BrokerConnectionError

if TYPE_CHECKING:
    from docker import DockerClient

log: logging.Logger = logging.getLogger("mooq")


@contextmanager
def explained(what: str, remedy: str = "") -> Iterator[None]:
    """Raise :class:`~mooq.BrokerConnectionError` for any error of Docker's client."""
    from docker.errors import DockerException

    try:
        yield
    # OSError comes from the HTTP client, RuntimeError from testcontainers.
    except (DockerException, OSError, RuntimeError) as error:
        reason = _reason(error)
        raise BrokerConnectionError(
            f"cannot {what}: {reason}" + (f"; {remedy}" if remedy else ""), transient=False
        ) from error


def _reason(error: Exception) -> str:
    from requests.exceptions import ConnectionError as NoEngine

    causes = list(_chain(error))
    if any(isinstance(cause, NoEngine) for cause in causes):
        if any(isinstance(cause, PermissionError) for cause in causes):
            return (
                "this user may not use the socket of Docker's engine; add the user to the group "
                "'docker' and log in again, run Docker rootless, or choose another launcher"
            )
        return (
            f"Docker's engine does not answer ({causes[-1]}); install Docker, start its engine, "
            "or choose another launcher"
        )
    return str(getattr(error, "explanation", None) or error)


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
