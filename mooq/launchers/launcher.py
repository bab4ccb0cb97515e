"""The interface of launchers, each of which starts RabbitMQ nodes in one way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from mooq.basics.address import Address

LOG_LINES = 20


class Launcher(ABC):
    """One RabbitMQ node: prepared once, started, restarted, stopped.

    Every method raises :class:`~mooq.BrokerConnectionError`, with ``transient`` False where
    trying again cannot help, saying what failed and what to do.
    """

    waits_until_ready: ClassVar[bool] = False
    """Whether ``start`` and ``restart`` return only when RabbitMQ answers."""

    @abstractmethod
    async def prepare(self) -> None:
        """Find, or fetch, everything that ``start`` needs; leave nothing that must be undone."""

    @abstractmethod
    async def start(self) -> None:
        """Start the node."""

    @abstractmethod
    async def restart(self) -> None:
        """Stop the node and start it again at the same address, its durable contents kept."""

    @abstractmethod
    async def stop(self) -> None:
        """End the node, however far it got, and remove what belongs to it alone."""

    async def death(self) -> str | None:
        """Return how the node ended; None while it runs, or where that cannot be seen."""
        return None

    async def log(self) -> str:
        """Return the last lines that the node wrote, for an error to show."""
        return ""


async def log_of(launcher: Launcher | None) -> str:
    """Return the end of a node's log as the end of an error's text."""
    log = await launcher.log() if launcher else ""
    return f"\nThe end of its log:\n{log}" if log else ""


def node_settings(address: Address) -> dict[str, str]:
    """Return the environment of a new node: its first user and virtual host, and its threads.

    Booting hands thousands of look-ups from thread to thread. RabbitMQ's default, threads that
    are bound to a processor and sleep at once, makes that up to three times as long on a virtual
    machine, or beside other nodes.
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
