"""Asking a broker on behalf of callers, who may find the connection lost, or be cancelled."""

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
    """Asks the broker of one channel; ``recover`` brings its connection back.

    ``enter`` is called where another event loop runs than ``loop``: it raises ``RuntimeError``, or
    moves the connection to the loop that runs.
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
        """Ask by another channel, in another event loop: the one before is closed."""
        self._channel = channel
        self._loop = loop
        self._background.clear()

    def check_loop(self) -> None:
        """Raise ``RuntimeError`` where another event loop runs than the connection's."""
        if asyncio.get_running_loop() is not self._loop and self._enter is not None:
            self._enter()

    def check_open(self) -> None:
        """Raise :class:`~mooq.BrokerConnectionError` when the channel has been closed."""
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
        """Return the broker's answer, waiting for a lost connection to come back.

        ``ask`` is given the seconds that are left of ``timeout``.
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
                f"{self._channel.address} took no message within {in_seconds(timeout)}: {blocked}; "
                "it was not sent"
            ) from blocked

    async def ask_of_queue(self, queue_name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question about a queue, or raise its refusal."""
        try:
            return await self.ask(lambda _: ask())
        except Refused as refused:
            raise refusals.of_queue(refused, queue_name, self._channel.address) from refused

    async def shielded(
        self, request: Coroutine[Any, Any, T], undo: Callable[[T], Coroutine[Any, Any, None]]
    ) -> T:
        """Return the answer to a request; if the caller is cancelled it goes on, and is undone."""
        asking = asyncio.ensure_future(request)
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            self.begin(_undo(asking, undo))
            raise

    def begin(self, request: Coroutine[Any, Any, None]) -> None:
        """Make a request in the background, such as to undo what a cancelled caller has begun."""
        task = asyncio.ensure_future(request)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # what failed to begin, or was lost, needs no undoing


async def _undo(asking: asyncio.Future[T], undo: Callable[[T], Coroutine[Any, Any, None]]) -> None:
    await undo(await asking)


@contextlib.asynccontextmanager
async def goodbye() -> AsyncIterator[None]:
    """Do within the block what a broker that is gone, or says nothing any more, need not answer."""
    with contextlib.suppress(Lost, TimeoutError):
        async with asyncio.timeout(GOODBYE_TIMEOUT):
            yield
