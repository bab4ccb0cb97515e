"""The handling of a delivery: decode, await the callback, acknowledge or requeue.

It is the same for every transport, so that callback failures cannot differ between them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable, signature
from time import monotonic
from types import CoroutineType
from typing import Any, TypeAlias

from mooq.client.codec import decode
from mooq.client.failures import outcome_of_failure
from mooq.client.manual import ManualDelivery
from mooq.client.retries import Retries
from mooq.client.slow_callbacks import NEGLIGIBLE, rest
from mooq.client.timed_out import TimedOutCallbacks
from mooq.transports.base import TransportChannel
from mooq.transports.declarations import Queue
from mooq.transports.message import Delivery, IncomingMessage, Outcome

Callback: TypeAlias = Callable[[IncomingMessage], Awaitable[Any]]
ManualCallback: TypeAlias = Callable[[IncomingMessage, ManualDelivery], Awaitable[Any]]
AnyCallback: TypeAlias = Callback | ManualCallback
Reply: TypeAlias = Callable[[Delivery, Any], Awaitable[None]]
"""Publishes a callback's result to the queue that its message names."""
ReportBlock: TypeAlias = Callable[[str, str, float], None]
"""Called with callback, queue and seconds when a callback blocked the event loop."""


log: logging.Logger = logging.getLogger("mooq.callbacks")


class Consumer:
    """A registered callback and the channel on which its deliveries are settled.

    ``queue`` is the queue's declaration, or None for a queue that was not declared. ``reply`` is
    called with the callback's result; if it fails, the callback has failed. With ``is_manual`` the
    callback settles its message itself. ``retries`` handle a message whose callback failed.

    Raises ``TypeError`` for a callback that cannot be called with a message.
    """

    def __init__(
        self,
        callback: AnyCallback,
        channel: TransportChannel,
        queue: Queue | None,
        timed_out: TimedOutCallbacks,
        report_block: ReportBlock,
        undecodable_as_bytes: bool = False,
        reply: Reply | None = None,
        is_manual: bool = False,
        retries: Retries | None = None,
    ) -> None:
        check_callback(callback, is_manual)
        self._reply = reply
        self.is_manual = is_manual
        self.retries = retries
        self._undecodable_as_bytes = undecodable_as_bytes
        self.channel = channel
        self.queue_name = ""
        self.task_name: str = f"mooq callback {callback_name(callback)}"
        self._callback: Callable[..., Awaitable[Any]] = callback
        self._queue = queue
        self._timed_out = timed_out
        self._report = report_block

    async def handle(self, delivery: Delivery) -> Exception | None:
        """Run the callback for a delivery and settle it; return the callback's exception, if any.

        After the first failure the message is requeued. After the second it is rejected, so that it
        is dead-lettered if its queue says so. The message of a cancelled callback is delivered
        again.
        """
        manual = None
        if self.is_manual:
            manual = ManualDelivery(self.channel, delivery, self.queue_name)
        try:
            result = await self._run(delivery, manual)
            if self._reply is not None:
                await self._reply(delivery, result)
        except asyncio.CancelledError:
            if manual is None or not manual.is_settled:
                await self._settle(delivery, Outcome.RELEASE)
            raise
        except Exception as error:
            if manual is not None and manual.is_settled:
                log.error(
                    "callback %s failed after settling its message", self.name, exc_info=error
                )
            else:
                await self._fail(delivery, error)
            return error
        if manual is None:
            await self._settle(delivery, Outcome.ACKNOWLEDGE)
        return None

    async def _fail(self, delivery: Delivery, error: Exception) -> None:
        """Settle a message whose callback has failed."""
        who = f"callback {self.name}"
        try:
            if self.retries is not None:
                outcome = await self.retries.take_over(delivery, who, error)
            else:
                outcome = await outcome_of_failure(
                    self.channel, delivery, who, self.queue_name, self._queue, error
                )
        except asyncio.CancelledError:
            await self._settle(delivery, Outcome.RELEASE)
            raise
        await self._settle(delivery, outcome)

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        if self._timed_out.entries:
            await self._timed_out.settle(self.channel, delivery, outcome)
        else:
            await self.channel.settle(delivery, outcome)

    async def _run(self, delivery: Delivery, manual: ManualDelivery | None) -> Any:
        """Decode the message and await the callback; return its result, or raise its failure.

        Raises CancelledError only when the callback itself is cancelled.
        """
        try:
            began = monotonic()
            if self.retries is not None:
                delivery = self.retries.restored(delivery)
            message = decode(delivery, self._undecodable_as_bytes)
            result = self._callback(message) if manual is None else self._callback(message, manual)
            steps = result if type(result) is CoroutineType else self._awaiting(result)
            try:
                awaited = steps.send(None)
            except StopIteration as done:
                return done.value
            finally:
                if (took := monotonic() - began) > NEGLIGIBLE:
                    self._report_block(took)
            return await rest(steps, awaited, self._report_block)
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # If it were requeued like a cancelled one, it would be redelivered forever.
            raise RuntimeError(
                f"callback {self.name} awaited something that was cancelled"
            ) from cancelled

    def _report_block(self, took: float) -> None:
        self._report(self.name, self.queue_name, took)

    async def _awaiting(self, result: object) -> Any:
        if not isawaitable(result):
            raise TypeError(
                f"callback {self.name} returned {type(result).__name__}, which cannot be "
                "awaited: define it with async def"
            )
        return await result

    @property
    def name(self) -> str:
        """The callback's name in logs and errors."""
        return callback_name(self._callback)


def check_callback(callback: AnyCallback, is_manual: bool = False) -> None:
    """Raise ``TypeError`` for a callback that does not take the message (and the delivery)."""
    if not callable(callback):
        raise TypeError(
            f"callback must be callable, not {type(callback).__name__}: pass an async function "
            f"that takes {'two arguments' if is_manual else 'one argument'}"
        )
    try:
        parameters = signature(callback)
    except (TypeError, ValueError):  # for some functions in C, and for mocks on Python 3.11.2
        return
    try:
        parameters.bind(*[{}] * (1 + is_manual))
    except TypeError:
        raise TypeError(
            f"callback {callback_name(callback)} is called with "
            f"{'the message and its delivery' if is_manual else 'one argument, the message'}, but "
            f"takes {parameters}"
        ) from None


def callback_name(callback: Callable[..., Any]) -> str:
    """Return the callback's name for logs and errors."""
    return getattr(callback, "__qualname__", None) or repr(callback)
