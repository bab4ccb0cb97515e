"""The interface of launchers, each of which starts RabbitMQ nodes in one way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from mooq.basics.address import Address

LOG_LINES = 20


class Launcher(ABC):
    """One RabbitMQ node that is prepared once, then started, restarted and stopped.

    Every method raises :class:`~mooq.BrokerConnectionError`, which says what failed and what to do.
    ``transient`` is False if trying again cannot help.
    """

    waits_until_ready: ClassVar[bool] = False
    """Whether ``start`` and ``restart`` return only when RabbitMQ answers."""

    @abstractmethod
    async def prepare(self) -> None:
        """Find or download everything that ``start`` needs; leave nothing that must be undone."""

    @abstractmethod
    async def start(self) -> None:
        """Start the node."""

    @abstractmethod
    async def restart(self) -> None:
        """Stop the node and start it again at the same address, with its durable data."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the node, whatever its state, and remove everything that only it needs."""

    async def death(self) -> str | None:
        """Return how the node ended; None while it is running, or if that is unknown."""
        return None

    async def log(self) -> str:
        """Return the last lines of the node's log, for an error."""
        return ""


async def log_of(launcher: Launcher | None) -> str:
    """Return the end of a node's log, formatted as the end of an error's text."""
    log = await launcher.log() if launcher else ""
    return f"\nThe end of its log:\n{log}" if log else ""


def node_settings(address: Address) -> dict[str, str]:
    """Return the environment of a new node: its first user and virtual host, and its threads.

    Booting passes thousands of code look-ups between Erlang's threads. By default each thread is
    bound to a processor and sleeps as soon as it is idle. That makes booting up to three times as
    slow on a virtual machine, or with other nodes running.
    """
    return {
        "RABBITMQ_DEFAULT_USER": address.username,
        "RABBITMQ_DEFAULT_PASS": address.password,
        "RABBITMQ_DEFAULT_VHOST": address.virtual_host,
        "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
        "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "short",
    }


def last_lines(text: str) -> str:
    """Return the end of a log."""
    return "\n".join(text.splitlines()[-LOG_LINES:])
