"""Requests of a process that runs tests to the run's owner: a RabbitMQ, and virtual hosts.

A line is asked, a line is answered, over a connection to the owner's port of the loopback
interface. It stays open: its end, whatever brings that about, gives the virtual host back.
"""

from __future__ import annotations

import json
import socket
from typing import NamedTuple, TypeAlias, TypedDict

from mooq.basics.address import Secret

LOOPBACK = "127.0.0.1"
ANSWER_TIMEOUT = 900.0  # seconds for RabbitMQ, a download of its image included

ANOTHER = "another virtual host"
DONE = "done with "


class Offer(NamedTuple):
    """Where the owner of the run answers, and what to show there."""

    port: int
    token: str


class RunningRabbitMQ(TypedDict):
    """The run's RabbitMQ."""

    host: str
    port: int
    username: str
    password: str
    management: str
    """``host:port`` of its management API."""
    version: str
    how: str
    """What it is, for a person."""


class Unavailable(NamedTuple):
    """There is no RabbitMQ, since this machine lacks something."""

    reason: str
    """What it lacks, and what would bring it in."""


class Failed(NamedTuple):
    """A RabbitMQ that was asked for did not come up."""

    reason: str


class VirtualHost(NamedTuple):
    """A virtual host that nobody has used."""

    name: str


Reply: TypeAlias = RunningRabbitMQ | Unavailable | Failed | VirtualHost
KINDS: dict[str, type[Unavailable | Failed | VirtualHost]] = {
    "unavailable": Unavailable,
    "failed": Failed,
    "virtual host": VirtualHost,
}


def written(reply: Reply) -> bytes:
    """Return a reply as a line."""
    kinds = {kind: name for name, kind in KINDS.items()}
    message = ["running", reply] if isinstance(reply, dict) else [kinds[type(reply)], *reply]
    return f"{json.dumps(message)}\n".encode()


def read(line: bytes) -> Reply:
    """Return the reply that a line is."""
    kind, content = json.loads(line)
    if kind != "running":
        return KINDS[kind](content)
    rabbitmq: RunningRabbitMQ = content
    return {**rabbitmq, "password": Secret(rabbitmq["password"])}


class Lease:
    """A claim on the run's RabbitMQ. It is asked for at once and answered when that is ready."""

    def __init__(self, offer: Offer) -> None:
        self._socket = socket.create_connection((LOOPBACK, offer.port), timeout=ANSWER_TIMEOUT)
        # Or a question waits 40 ms for the acknowledgement of what was given back before it.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        self._answer: RunningRabbitMQ | Unavailable | Failed | None = None
        self._ask(offer.token)

    def close(self) -> None:
        """End the claim."""
        self._replies.close()
        self._socket.close()

    @property
    def is_answered(self) -> bool:
        """Whether :meth:`answer` has returned."""
        return self._answer is not None

    def answer(self) -> RunningRabbitMQ | Unavailable | Failed:
        """Wait for RabbitMQ; return it, or why there is none."""
        if self._answer is None:
            reply = self._reply()
            assert not isinstance(reply, VirtualHost)
            self._answer = reply
        return self._answer

    def virtual_host(self) -> VirtualHost | Failed:
        """Return a virtual host that nobody has used."""
        self._ask(ANOTHER)
        reply = self._reply()
        assert isinstance(reply, VirtualHost | Failed)
        return reply

    def give_back(self, virtual_host: str) -> None:
        """Give a virtual host back, to be deleted."""
        self._ask(f"{DONE}{virtual_host}")

    def _ask(self, line: str) -> None:
        try:
            self._socket.sendall(f"{line}\n".encode())
        except OSError:
            return  # the run is being stopped; the next reply says so

    def _reply(self) -> Reply:
        try:
            line = self._replies.readline()
        except OSError:
            line = b""
        return read(line) if line else Failed("the run was ended before RabbitMQ was ready")
