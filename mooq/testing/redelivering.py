"""Redeliver everything: each message comes twice, to prove that a service is idempotent.

RabbitMQ delivers at least once: a message whose acknowledgement was lost, with its connection or
with the process, comes again. Here every acknowledgement of a callback's is lost in that way: the
broker is told to requeue the message instead, and so delivers it once more, ``redelivered``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mooq.client.observer import observed_by
from mooq.testing.observer import ConnectionObserver
from mooq.testing.recorder import Recorder


@contextmanager
def redelivering_everything(virtual_host: str = "/") -> Iterator[Recorder]:
    """Have each message that a callback is done with delivered a second time.

    On the connections of this process to a virtual host, of either broker, that begin within the
    block. Returns what happens on them. Messages that tests take by ``get`` come once; a delivery
    that is a repeat already, as after a callback has failed, is not repeated.
    """
    observer = ConnectionObserver(redelivers=True)
    with observed_by(virtual_host, observer):
        yield observer.recorded
