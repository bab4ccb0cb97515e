"""A worker of Celery in a thread, which leaves nothing to the next test."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery, signals
from celery.contrib.testing.worker import start_worker

from tests.integration.inbox import LONGEST_WAIT


@contextmanager
def worker_of(app: Celery) -> Iterator[None]:
    """Run a worker while the block lasts, then close the application.

    Celery is kept from setting up logging: the root logger's level would stay at ERROR.
    """

    def leave(**_: object) -> None: ...

    app.conf.broker_heartbeat = 1  # with no other timer a worker ends 10 s late
    signals.setup_logging.connect(leave, weak=False)
    try:
        with start_worker(app, perform_ping_check=False, shutdown_timeout=LONGEST_WAIT):
            yield
    finally:
        signals.setup_logging.disconnect(leave)
        app.close()


def collect_sockets() -> None:
    """Collect what Celery's worker leaves open here, or another test would be blamed for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
