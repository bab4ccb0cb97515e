"""What a finished test leaves behind: messages that nobody consumed, exceptions that nobody saw."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from mooq.errors import MooqError, Refused
from mooq.testing.idling import deliver_all
from mooq.testing.watch import Watch
from mooq.testing.watched import WatchedChannel

REMEDY = "consume and await them, or mark the test with mooq_allow_leftovers"


class Leftovers(MooqError):
    """A test has ended and left messages that nobody consumed, or exceptions that nobody saw."""


class Leaving:
    """Looks, at the end of a test, for what it left behind; begun inside the test's event loop."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._left: dict[str, int] = {}
        self._unseen: list[BaseException] = []
        self._loop = asyncio.get_running_loop()
        self._handler = self._loop.get_exception_handler()
        self._loop.set_exception_handler(self._keep)

    def _keep(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(error := context.get("exception"), BaseException):
            self._unseen.append(error)
        loop.default_exception_handler(context)

    async def look_at_connections(self) -> None:
        """See what has been delivered on open connections and is not settled."""
        await deliver_all(self._watch)
        for channel in self._watch.channels:
            for queue_name in channel.unsettled:
                self._left[queue_name] = self._left.get(queue_name, 0) + 1

    async def look_at_queues(self, channel: WatchedChannel) -> None:
        """See what is ready in the queues that the test used, all connections closed."""
        for queue_name in self._watch.queues:
            try:
                ready = await channel.count_ready(queue_name)
            except Refused:  # exclusive to a connection that the test has left open
                continue
            if ready:
                self._left[queue_name] = ready

    def complain(self) -> None:
        """Raise :class:`Leftovers` if anything was left behind."""
        gc.collect()  # an exception is known to be unseen when its task is gone
        self._loop.set_exception_handler(self._handler)
        left = [
            f"{count} message{'s' if count > 1 else ''} in queue {queue_name!r}"
            for queue_name, count in sorted(self._left.items())
        ] + [f"{type(error).__name__} that nobody saw: {error}" for error in self._unseen]
        if left:
            error = Leftovers(f"the test has left behind {'; '.join(left)}. {REMEDY.capitalize()}")
            raise error from (self._unseen[0] if self._unseen else None)
