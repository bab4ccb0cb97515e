"""Observing the connections to a virtual host. Tests use this; production does not.

An observer sits between the connections and their transports, above both brokers, so it sees the
same on both. Virtual hosts of different brokers must not have the same name while they are
observed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mooq.client.dispatcher import Dispatcher
from mooq.transports.base import Transport


class Observer:
    """Is told what connections do. This class ignores it."""

    def observe(self, transport: Transport, dispatcher: Dispatcher) -> Transport:
        """Return the transport for a new connection: the given one, or a wrapper of it."""
        return transport

    def raised(self, failures: Sequence[Exception]) -> None:
        """Take note of exceptions that ``process_events()`` now raises to its caller."""


_nobody = Observer()
_observers: dict[str, Observer] = {}


@contextmanager
def observed_by(virtual_host: str, observer: Observer) -> Iterator[None]:
    """Observe the connections to a virtual host that are opened within the block."""
    before = observer_of(virtual_host)
    _observers[virtual_host] = observer
    try:
        yield
    finally:
        _observers[virtual_host] = before
        if before is _nobody:
            del _observers[virtual_host]


def observer_of(virtual_host: str) -> Observer:
    """Return the observer of the connections to a virtual host."""
    return _observers.get(virtual_host, _nobody)
