"""Observers of the connections to a virtual host: a harness for tests; in production none.

A watcher stands between the connections and their transport, above both brokers, so it sees the
same on both. Virtual hosts of different brokers must not share a name while they are watched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mooq.client.dispatcher import Dispatcher
from mooq.transports.base import Transport


class Watcher:
    """What a connection tells; this one does not listen."""

    def watch(self, transport: Transport, dispatcher: Dispatcher) -> Transport:
        """Return what a new connection is to use as its transport: it, or one around it."""
        return transport

    def raised(self, failures: Sequence[Exception]) -> None:
        """Learn what callbacks raised that ``process_events()`` now raises to its caller."""


_nobody = Watcher()
_watchers: dict[str, Watcher] = {}


@contextmanager
def watching(virtual_host: str, watcher: Watcher) -> Iterator[None]:
    """Let ``watcher`` see the connections to a virtual host that begin within the block."""
    before = watcher_of(virtual_host)
    _watchers[virtual_host] = watcher
    try:
        yield
    finally:
        _watchers[virtual_host] = before
        if before is _nobody:
            del _watchers[virtual_host]


def watcher_of(virtual_host: str) -> Watcher:
    """Return who watches the connections to a virtual host."""
    return _watchers.get(virtual_host, _nobody)
