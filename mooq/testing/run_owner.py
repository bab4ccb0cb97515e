"""The owner of a run's RabbitMQ: the controller of pytest-xdist, or the only process there is.

Workers never touch what it owns: a container that a worker started would end with that worker.
Until somebody asks, the owner is a port that is listened to; asyncio, aio-pika and Docker's
client are loaded when RabbitMQ is wanted.
"""

from __future__ import annotations

import secrets
import selectors
import socket
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from mooq.testing.lease import LOOPBACK, Offer
from mooq.testing.run_summary import RunSummary

if TYPE_CHECKING:
    from mooq.testing.settings import Settings


class RunOwner:
    """Answers whoever shows its token, from a thread of its own, until :meth:`end`."""

    def __init__(self, settings: Settings) -> None:
        self.summary: RunSummary = RunSummary()
        self._settings = settings
        self._listener = socket.create_server((LOOPBACK, 0))
        self.offer: Offer = Offer(self._listener.getsockname()[1], secrets.token_hex())
        self._ending, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._own, name="owner of RabbitMQ")
        self._thread.start()

    def load(self) -> None:
        """Import all that having RabbitMQ takes, in the thread that calls.

        Threads that begin to load the same circle of modules in different places may be given one
        that is half loaded (importlib, to avoid a deadlock), and Docker's client is wanted in
        several. So a process that collects tests, which import who knows what, does this first.
        """
        import_module("mooq.testing.serving")
        import_module("mooq.transports.rabbit")
        if self._settings.address is None and self._settings.launcher == "docker":
            with suppress(ImportError):  # which the launcher explains
                import_module("testcontainers.core.container")

    def end(self) -> None:
        """Remove what was started, and return when that is done; nothing happens the next time."""
        self._ending.close()
        self._thread.join()

    def _own(self) -> None:
        with self._listener, self._ended:
            if not self._is_asked():
                return
            self.load()
            # Imported here because most runs ask for nothing.
            import asyncio

            from mooq.testing.serving import serve

            asyncio.run(
                serve(self._listener, self._ended, self.offer.token, self._settings, self.summary)
            )

    def _is_asked(self) -> bool:
        """Wait until somebody asks; False when the end comes first."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            ended = selector.register(self._ended, selectors.EVENT_READ)
            return ended not in [key for key, _ in selector.select()]
