"""Sending requests to a broker for callers that may be cancelled or lose the connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from mooq.basics.wording import in_seconds
from mooq.client import refusals
from mooq.client.recovery import Recovery, ask_again
from mooq.errors import Blocked, BrokerConnectionError, Lost, Refused
from mooq.transports.base import GOODBYE_TIMEOUT, TransportChannel

T = TypeVar("T")

ANSWER_TIMEOUT = 30.0  # seconds


class Requests:
    """Sends a channel's requests to the broker; ``recover`` restores its connection.

    ``enter`` is called if another event loop than ``loop`` is running. It raises ``RuntimeError``,
    or moves the connection to the running loop.
    """

    def __init__(
        self,
        channel: TransportChannel,
        loop: asyncio.AbstractEventLoop,
        recover: Callable[[], Awaitable[None]] | None,
        recovery: Recovery,
        enter: Callable[[], None] | None = None,
    ) -> None:
        self._channel = channel
        self._loop = loop
        self._recover = recover
        self._recovery = recovery
        self._enter = enter
        self._background: set[asyncio.Future[None]] = set()
        self.is_closed = False

    def move(self, channel: TransportChannel, loop: asyncio.AbstractEventLoop) -> None:
        """Use another channel, in another event loop, because the old loop is closed."""
        self._channel = channel
        self._loop = loop
        self._background.clear()

    def check_loop(self) -> None:
        """Raise ``RuntimeError`` if another event loop than the connection's is running."""
        if asyncio.get_running_loop() is not self._loop and self._enter is not None:
            self._enter()

    def check_open(self) -> None:
        """Raise :class:`~mooq.BrokerConnectionError` if the channel was closed."""
        if self.is_closed:
            raise BrokerConnectionError(
                f"this channel to {self._channel.address} is closed; create another with "
                "connection.create_channel()",
                transient=False,
            )

    async def _bring_back(self) -> None:
        if self._recover is None:
            raise BrokerConnectionError(
                f"the connection to {self._channel.address} is lost", transient=False
            )
        self.check_open()
        await self._recover()
        self.check_open()

    async def ask(self, ask: Callable[[float], Awaitable[T]], timeout: float = ANSWER_TIMEOUT) -> T:
        """Return the broker's answer; wait if the connection is lost.

        ``ask`` gets the seconds left of ``timeout``.
        """
        if self.is_closed:
            self.check_open()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self.check_loop()
        deadline = loop.time() + timeout
        try:
            try:
                return await ask(timeout)
            except Lost:
                return await ask_again(
                    ask, self._bring_back, self._recovery, self._channel.address, timeout, deadline
                )
        except Blocked as blocked:
            raise BrokerConnectionError(
                f"{self._channel.address} accepted no message within {in_seconds(timeout)}: "
                f"{blocked}; it was not sent"
            ) from blocked

    async def ask_of_queue(self, queue_name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a request about a queue, or raise the user's error."""
        try:
            return await self.ask(lambda _: ask())
        except Refused as refused:
            raise refusals.of_queue(refused, queue_name, self._channel.address) from refused

    async def shielded(
        self, request: Coroutine[Any, Any, T], undo: Callable[[T], Coroutine[Any, Any, None]]
    ) -> T:
        """Return a request's answer; if the caller is cancelled, finish the request and undo it."""
        asking = asyncio.ensure_future(request)
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            self.begin(_undo(asking, undo))
            raise

    def begin(self, request: Coroutine[Any, Any, None]) -> None:
        """Send a request in the background, for example to undo a cancelled caller's request."""
        task = asyncio.ensure_future(request)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # a request that failed or was lost needs no undoing


async def _undo(asking: asyncio.Future[T], undo: Callable[[T], Coroutine[Any, Any, None]]) -> None:
    await undo(await asking)


@contextlib.asynccontextmanager
async def goodbye() -> AsyncIterator[None]:
    """Run a closing request that a broker that is gone or silent need not answer."""
    with contextlib.suppress(Lost, TimeoutError):
        async with asyncio.timeout(GOODBYE_TIMEOUT):
            yield
