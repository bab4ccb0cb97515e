"""A Celery worker in a thread that cleans up for the next test."""

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

    Celery must not set up logging: the root logger's level would stay at ERROR.
    """

    def leave(**_: object) -> None: ...

    app.conf.broker_heartbeat = 1  # without this timer a worker ends 10 s late
    signals.setup_logging.connect(leave, weak=False)
    try:
        with start_worker(app, perform_ping_check=False, shutdown_timeout=LONGEST_WAIT):
            yield
    finally:
        signals.setup_logging.disconnect(leave)
        app.close()


def collect_sockets() -> None:
    """Collect the sockets that Celery leaves open, or a later test would get their warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
