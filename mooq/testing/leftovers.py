"""Messages and exceptions that a finished test leaves behind."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from contextlib import suppress
from typing import Any

from mooq.basics.wording import counted
from mooq.errors import MooqError, Refused
from mooq.testing.clients.endpoint import Endpoint
from mooq.testing.idling import deliver_all
from mooq.testing.observed_transport import ObservedChannel
from mooq.testing.observer import ConnectionObserver
from mooq.transports.message import Outcome

LONGEST_DELIVERY = 10.0  # seconds


class Leftovers(MooqError):
    """A test left unconsumed messages or unseen exceptions behind."""


class LeftoverCheck:
    """Finds what a test left behind; created in the test's event loop."""

    def __init__(self, observer: ConnectionObserver, clients: Endpoint) -> None:
        self._observer = observer
        self._clients = clients
        self._left: Counter[str] = Counter()
        self._unseen: list[BaseException] = []
        self._loop = asyncio.get_running_loop()
        self._handler = self._loop.get_exception_handler()
        self._loop.set_exception_handler(self._keep)

    def _keep(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(error := context.get("exception"), BaseException):
            self._unseen.append(error)
        loop.default_exception_handler(context)

    async def look_at_connections(self) -> None:
        """Check open connections for unsettled deliveries and waiting messages."""
        with suppress(TimeoutError):  # the test's tasks are still busy
            async with asyncio.timeout(LONGEST_DELIVERY):
                self._left.update(await deliver_all(self._observer))
                self._left.update(await self._clients.waiting())
        for channel in self._observer.channels:
            self._left.update(channel.unsettled)
        self._left.update(self._clients.activity.unsettled)

    async def look_at_queues(self, channel: ObservedChannel) -> None:
        """Check the queues that the test used, after closing its connections."""
        for queue_name in self._observer.queues:
            try:
                self._left[queue_name] = await _emptied(channel, queue_name)
            except Refused:  # deleted with its connection, or exclusive to an open one
                continue

    def complain(self) -> None:
        """Raise :class:`Leftovers` if the test left anything behind."""
        gc.collect()  # an exception is unseen once its task is collected
        self._loop.set_exception_handler(self._handler)
        left = [
            f"{counted(count, 'message')} in queue {queue_name!r}"
            for queue_name, count in sorted(self._left.items())
            if count
        ]
        left += [
            f"{counted(count, 'message')} of queue {queue_name!r} dropped, since the dead-letter "
            f"exchange {exchange_name!r} does not exist"
            for (queue_name, exchange_name), count in Counter(self._observer.dropped).items()
        ]
        remedies = ["Consume and await them"]
        if self._observer.unroutable and not self._observer.recorded.has_told_unroutable:
            remedies.append("look at recorded.unroutable")
            left += [
                f"{counted(count, 'unroutable message')} published to exchange "
                f"{exchange_name!r} with key {routing_key!r}"
                for (exchange_name, routing_key), count in Counter(
                    self._observer.unroutable
                ).items()
            ]
        left += [f"an unhandled {type(error).__name__}: {error}" for error in self._unseen]
        if left:
            remedy = f"{', '.join(remedies)}, or mark the test with mooq_allow_leftovers"
            error = Leftovers(f"the test left behind {'; '.join(left)}. {remedy}")
            raise error from (self._unseen[0] if self._unseen else None)


async def _emptied(channel: ObservedChannel, queue_name: str) -> int:
    """Take all messages from a queue; return their number. A count might be too early."""
    count = 0
    while (delivery := await channel.get(queue_name)) is not None:
        await channel.settle(delivery, Outcome.ACKNOWLEDGE)
        count += 1
    return count
