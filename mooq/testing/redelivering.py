"""Delivering each message twice, to test that a service is idempotent.

RabbitMQ delivers at least once: if an acknowledgement is lost, with its connection or with the
process, the message is delivered again. Here the first acknowledgement of every message is lost:
the broker is told to requeue the message instead, and delivers it again with ``redelivered`` set.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mooq.client.observer import observed_by
from mooq.testing.observer import ConnectionObserver
from mooq.testing.recorder import Recorder


@contextmanager
def redelivering_everything(virtual_host: str = "/") -> Iterator[Recorder]:
    """Deliver each message a second time when its callback is done.

    This applies to connections of this process to a virtual host, on either broker, that are opened
    within the block. Returns what happens on them. Messages that tests take with ``get`` are
    delivered once. A delivery that is already a repeat, for example after a failed callback, is not
    repeated again.
    """
    observer = ConnectionObserver(redelivers=True)
    with observed_by(virtual_host, observer):
        yield observer.recorded
