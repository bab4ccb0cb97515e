"""Callbacks of a program: they start when their messages arrive, and finish one at a time.

RabbitMQ handles an acknowledgement asynchronously, and two on different channels in any order. So
each callback waits until the effects of the previous one have happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from mooq.client.consumer import AnyCallback
from mooq.client.manual import ManualDelivery
from mooq.parity.programs import Consume, Fail, FailOnce, Send, Settle, Wait
from mooq.transports.message import IncomingMessage

Sending = Callable[[Consume, Send, Any], Awaitable[None]]


class CallbackFailure(Exception):
    """Raised by callbacks of programs."""


@dataclass(eq=False)
class RunningCallback:
    """A callback that has started."""

    asked: Consume
    message: IncomingMessage
    task: asyncio.Task[Any]
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    waits: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_failed(self) -> bool:
        """Whether it has raised an error."""
        return self.task.done() and not self.task.cancelled() and self.task.result() is not None

    async def proceed(self) -> bool:
        """Let it continue; return True when it has finished, False when it waits for an event."""
        self.waits.clear()
        self.turn.set()
        waiting = asyncio.ensure_future(self.waits.wait())
        try:
            await asyncio.wait([self.task, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return self.task.done()


class Callbacks:
    """Creates the callbacks of a program's consumers, and tracks those that run."""

    def __init__(self, send: Sending) -> None:
        self._send = send
        self._seen: set[tuple[str, str]] = set()
        self._begun: list[RunningCallback] = []
        self._something = asyncio.Event()

    def make(self, asked: Consume) -> AnyCallback:
        """Return the callback of a consumer."""

        async def callback(message: IncomingMessage, *delivery: ManualDelivery) -> None:
            task = asyncio.current_task()
            assert task is not None
            begun = RunningCallback(asked, message, task)
            self._begun.append(begun)
            self._something.set()
            await begun.turn.wait()
            await self._behave(begun)
            if isinstance(asked.does, Settle):
                again = asked.does.how == "requeue" and message["redelivered"]
                await getattr(delivery[0], "acknowledge" if again else asked.does.how)()

        callback.__qualname__ = asked.consumer
        return callback

    async def started(self, count: int, processing: asyncio.Task[None]) -> list[RunningCallback]:
        """Return the callbacks of one cycle, once ``count`` have started or the cycle is over."""
        while len(self._begun) < count and not processing.done():
            self._something.clear()
            waiting = asyncio.ensure_future(self._something.wait())
            try:
                await asyncio.wait([waiting, processing], return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
        begun, self._begun = self._begun, []
        return begun

    async def _behave(self, begun: RunningCallback) -> None:
        asked, message = begun.asked, begun.message
        does = asked.does
        seen = (asked.consumer, repr(message["msg"]))
        is_first = seen not in self._seen
        self._seen.add(seen)
        if isinstance(does, Fail) or (isinstance(does, FailOnce) and is_first):
            raise CallbackFailure(f"{asked.consumer} fails")
        if isinstance(does, Wait):
            begun.turn.clear()
            begun.waits.set()
            await begun.turn.wait()
            if does.fails:
                raise CallbackFailure(f"{asked.consumer} fails")
        if isinstance(does, Send):
            await self._send(asked, does, message["msg"])
