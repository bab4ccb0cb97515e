"""Requests to the owner of a run's RabbitMQ, and its replies.

A request is a line, and so is a reply, over a connection to the owner's port of the loopback
interface. The first line shows the run's token. A connection that ends, for whatever reason, gives
its virtual hosts back.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias, TypedDict

from mooq.basics.address import Secret

LOOPBACK = "127.0.0.1"
ANSWER_TIMEOUT = 900.0  # seconds for RabbitMQ, a download of its image included

THE_RUN = "the run itself: end with this connection"
RABBITMQ = "RabbitMQ, started if need be"
SUMMARY = "the summary"
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


Started: TypeAlias = RunningRabbitMQ | Unavailable | Failed


class VirtualHost(NamedTuple):
    """A virtual host that nobody has used."""

    name: str


class RunSummary(NamedTuple):
    """Summary of a run's RabbitMQ, for people to read."""

    seconds: float | None = None
    """How long it took to be ready, or has taken so far; None before a test asks for it."""
    answer: Started | None = None
    """The reply to all who asked; None while they wait."""
    virtual_hosts: int = 0
    """How many were given to tests."""


Reply: TypeAlias = Started | VirtualHost | RunSummary
KINDS: dict[str, type[Unavailable | Failed | VirtualHost]] = {
    "unavailable": Unavailable,
    "failed": Failed,
    "virtual host": VirtualHost,
}


def written(reply: Reply) -> bytes:
    """Return a reply as a line."""
    return f"{json.dumps(_packed(reply))}\n".encode()


def _packed(reply: Reply) -> list[Any]:
    if isinstance(reply, dict):
        return ["running", reply]
    if isinstance(reply, RunSummary):
        answer = None if reply.answer is None else _packed(reply.answer)
        return ["summary", reply.seconds, answer, reply.virtual_hosts]
    kinds = {kind: name for name, kind in KINDS.items()}
    return [kinds[type(reply)], *reply]


def read(line: bytes) -> Reply:
    """Return the reply that a line is."""
    reply: Reply = _unpacked(json.loads(line))
    return reply


def _unpacked(packed: list[Any]) -> Any:
    kind, *content = packed
    if kind == "summary":
        seconds, answer, virtual_hosts = content
        return RunSummary(seconds, None if answer is None else _unpacked(answer), virtual_hosts)
    if kind != "running":
        return KINDS[kind](*content)
    rabbitmq: RunningRabbitMQ = content[0]
    return {**rabbitmq, "password": Secret(rabbitmq["password"])}


class OwnerConnection:
    """A connection to the owner. Raises ``OSError`` when there is none."""

    def __init__(self, offer: Offer) -> None:
        self._socket = socket.create_connection((LOOPBACK, offer.port), timeout=ANSWER_TIMEOUT)
        # Or a request waits 40 ms for the acknowledgement of the one before it.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        self.ask(offer.token)

    def ask(self, request: str) -> None:
        """Send a request."""
        try:
            self._socket.sendall(f"{request}\n".encode())
        except OSError:
            return  # the run is being stopped; the next reply says so

    def reply(self) -> Reply:
        """Return the reply to the first request that has none."""
        try:
            line = self._replies.readline()
        except OSError:
            line = b""
        return read(line) if line else Failed("the run ended before RabbitMQ was ready")

    def close(self) -> None:
        """End it, whichever forked children have copies of it."""
        with suppress(OSError):  # the owner has ended it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._replies.close()
        self._socket.close()


class Lease:
    """A claim on the run's RabbitMQ. It is asked for at once and answered when that is ready."""

    def __init__(self, offer: Offer) -> None:
        self._owner = OwnerConnection(offer)
        self._answer: Started | None = None
        self._owner.ask(RABBITMQ)

    def close(self) -> None:
        """End the claim."""
        self._owner.close()

    @property
    def is_answered(self) -> bool:
        """Whether :meth:`answer` has returned."""
        return self._answer is not None

    def answer(self) -> Started:
        """Wait for RabbitMQ; return it, or why there is none."""
        if self._answer is None:
            reply = self._owner.reply()
            assert not isinstance(reply, VirtualHost | RunSummary)
            self._answer = reply
        return self._answer

    def virtual_host(self) -> VirtualHost | Failed:
        """Return a virtual host that nobody has used."""
        self._owner.ask(ANOTHER)
        reply = self._owner.reply()
        assert isinstance(reply, VirtualHost | Failed)
        return reply

    def give_back(self, virtual_host: str) -> None:
        """Give a virtual host back, to be deleted."""
        self._owner.ask(f"{DONE}{virtual_host}")
