"""Conversations with the in-memory broker without sockets, threads or an event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from mooq.broker.broker import Broker, PermissionsByUser
from mooq.broker.outbox import dispatch_effects
from mooq.server.session import Session
from tests.conversations import rules
from tests.raw_amqp import answers

QUIET = 0.1
"""Seconds without a reply that end the wait. They pass at once, in the broker's time."""
AFTERWARDS = 3.5
"""Seconds after the last step in which the server may close the connection."""
BEGIN_OF_2026 = 1_767_225_600
"""The broker's time of day, in seconds since 1970."""
TOGETHER = {"unknown class after close ch0"}
"""Conversations whose bytes must arrive together: the reply to the first is never sent."""


class DirectConnection:
    """A client's connection to its own broker, with the socket methods of :class:`rules.Peer`.

    The server receives ``piece`` bytes at a time, or all at once if it is 0.
    """

    def __init__(
        self, version: str, piece: int = 0, permissions: PermissionsByUser | None = None
    ) -> None:
        self._piece = piece
        self.broker = Broker(
            {"guest": "guest"},
            ["/"],
            version=version,
            time_of_day=lambda: BEGIN_OF_2026,
            permissions=permissions,
        )
        self.session = Session(cast("Any", self), self._cut, 0.0, enforces_heartbeats=True)
        self._now = 0.0
        self._sent = b""
        self._is_cut = False

    # Methods that a session calls on its driver

    def changed(self, session: Session) -> None:
        """Do nothing: everything is sent after each request."""

    def drain(self) -> None:
        """Pass every effect in the outbox to its channel or connection."""
        dispatch_effects(self.broker)

    # Socket of the client

    @property
    def is_over(self) -> bool:
        """Whether the server has closed the connection."""
        return self._is_cut or self.session.wire.is_over

    def sendall(self, data: bytes) -> None:
        """Let the server process these bytes and all their effects."""
        size = self._piece or len(data)
        for at in range(0, len(data), size):
            if not self.is_over:
                self._receive(data[at : at + size])
                self._settle()

    def recv(self, size: int = 1 << 16) -> bytes:
        """Return bytes from the server, or ``b""`` if it has closed the connection."""
        if not self._sent and not self.is_over:
            raise BlockingIOError
        data, self._sent = self._sent[:size], self._sent[size:]
        return data

    def received(self) -> bytes:
        """Return all unread bytes that the server has sent."""
        data, self._sent = self._sent, b""
        return data

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: no more bytes will arrive."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass in the broker and on the connection."""
        self._now += seconds
        self.broker.advance(self._now)
        self.session.wire.advance(self._now)
        self._settle()

    def _cut(self) -> None:
        self._is_cut = True

    def _receive(self, data: bytes) -> None:
        try:
            self.session.wire.receive(data, self._now)
        except Exception:  # noqa: BLE001 - as the server does
            self.session.wire.fail()

    def _settle(self) -> None:
        self.drain()
        self._sent += self.session.data_to_send()
        while not self.is_over and self._has_more:
            self.session.proceed()
            self._receive(b"")
            self.drain()
            self._sent += self.session.data_to_send()

    @property
    def _has_more(self) -> bool:
        wire = self.session.wire
        has_input = wire.has_input and not wire.channels.is_blocked
        return self.session.is_waiting or wire.is_held or has_input


def converse(version: str, steps: Sequence[bytes], piece: int = 0) -> list[str]:
    """Return the replies to these steps, then "end" if the server closed the connection."""
    connection = DirectConnection(version, piece)
    for step in steps:
        connection.sendall(step)
    connection.pass_time(AFTERWARDS)
    said = connection.received()
    return [*answers(said), *(["end"] if connection.is_over else [])]


def converse_by_rules(version: str, name: str, piece: int = 0) -> list[str]:
    """Return the replies to a conversation about RabbitMQ's rules."""
    connection = DirectConnection(version, piece, rules.permissions(name))
    return rules.converse(connection, name, QUIET, connection.pass_time)
