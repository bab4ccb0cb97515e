"""Requests to the owner of a run's RabbitMQ, and its replies.

Requests and replies are lines, on a connection to the owner's port on the loopback interface. The
first line is the run's token. When a connection ends, its virtual hosts are released.
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
    """The port and token of the run's owner."""

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
    """Its description, for people."""


class Unavailable(NamedTuple):
    """RabbitMQ cannot be started, because this machine lacks something."""

    reason: str
    """What is missing, and how to install it."""


class Failed(NamedTuple):
    """RabbitMQ did not start."""

    reason: str


Started: TypeAlias = RunningRabbitMQ | Unavailable | Failed


class VirtualHost(NamedTuple):
    """An unused virtual host."""

    name: str


class RunSummary(NamedTuple):
    """Summary of a run's RabbitMQ, for people to read."""

    seconds: float | None = None
    """The time until it was ready, or so far; None before the first request."""
    answer: Started | None = None
    """The reply to requests for it; None until it is ready."""
    virtual_hosts: int = 0
    """The number of leased virtual hosts."""


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
    """A connection to the owner. Raises ``OSError`` if the owner does not listen."""

    def __init__(self, offer: Offer) -> None:
        self._socket = socket.create_connection((LOOPBACK, offer.port), timeout=ANSWER_TIMEOUT)
        # Otherwise a request waits 40 ms for the TCP acknowledgement of the previous one.
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
        """Return the reply to the earliest unanswered request."""
        try:
            line = self._replies.readline()
        except OSError:
            line = b""
        return read(line) if line else Failed("the run ended before RabbitMQ was ready")

    def close(self) -> None:
        """Close the connection, even if forked children have copies of it."""
        with suppress(OSError):  # the owner has ended it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._replies.close()
        self._socket.close()


class Lease:
    """A claim on the run's RabbitMQ, requested at once and answered when RabbitMQ is ready."""

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
        """Wait for RabbitMQ; return it, or the reason why there is none."""
        if self._answer is None:
            reply = self._owner.reply()
            assert not isinstance(reply, VirtualHost | RunSummary)
            self._answer = reply
        return self._answer

    def virtual_host(self) -> VirtualHost | Failed:
        """Return an unused virtual host."""
        self._owner.ask(ANOTHER)
        reply = self._owner.reply()
        assert isinstance(reply, VirtualHost | Failed)
        return reply

    def release(self, virtual_host: str) -> None:
        """Release a virtual host, which is then deleted."""
        self._owner.ask(f"{DONE}{virtual_host}")
