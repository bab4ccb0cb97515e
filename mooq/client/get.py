"""Getting one message from a queue: at once, or when it arrives."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from mooq.basics.wording import in_seconds
from mooq.client.codec import decode
from mooq.client.failures import outcome_of_failure
from mooq.client.requests import Requests, goodbye
from mooq.errors import ConsumerQueueNotFound, ConsumeTimeout, NothingToConsume
from mooq.transports.base import Receiver, TransportChannel
from mooq.transports.message import Delivery, IncomingMessage, Outcome


class Getter:
    """Gets messages one by one on one channel."""

    def __init__(self, channel: TransportChannel, requests: Requests) -> None:
        self._channel = channel
        self._requests = requests
        self._waiting: set[asyncio.Future[Delivery | None]] = set()

    def move(self, channel: TransportChannel) -> None:
        """Use another channel, because the old one's event loop is closed."""
        self._channel = channel
        self._waiting.clear()

    def begin_anew(self) -> None:
        """Make waiting calls start new consumers, because their consumers are lost."""
        for arrived in self._waiting:
            arrived.cancel()

    async def get(
        self, queue_name: str, timeout: float | None, undecodable_as_bytes: bool
    ) -> IncomingMessage:
        """Return the first message that can be decoded; see :meth:`mooq.Channel.get`."""
        while True:
            delivery = await self._take(queue_name)
            if delivery is None and timeout is not None:
                delivery = await self._wait_for_one(queue_name, timeout)
            if delivery is None:
                place = f"queue {queue_name!r} at {self._channel.address}"
                if timeout is None:
                    raise NothingToConsume(f"{place} is empty; give a timeout to wait")
                raise ConsumeTimeout(f"{place} stayed empty for {in_seconds(timeout)}")
            message = await self._accept(delivery, queue_name, undecodable_as_bytes)
            if message is not None:
                return message

    async def _take(self, queue_name: str) -> Delivery | None:
        return await self._requests.ask_of_queue(queue_name, lambda: self._channel.get(queue_name))

    async def _wait_for_one(self, queue_name: str, timeout: float) -> Delivery | None:
        """Return the first message that arrives within the timeout, or None."""
        given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            # A message that arrives after the timeout would stay with its consumer.
            return await self._requests.shielded(
                self._consume_one(queue_name, timeout, given_up), self._return
            )
        finally:
            given_up.cancel()

    async def _return(self, delivery: Delivery | None) -> None:
        if delivery is not None:
            await self._channel.settle(delivery, Outcome.RELEASE)

    async def _consume_one(
        self, queue_name: str, timeout: float, given_up: asyncio.Future[None]
    ) -> Delivery | None:
        """Return a message from a one-message consumer, which is restarted if it is lost."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not given_up.done() and (left := deadline - loop.time()) > 0:
            tag, arrived = await self._requests.ask_of_queue(
                queue_name, lambda: self._begin(queue_name)
            )
            either: list[asyncio.Future[Any]] = [arrived, given_up]
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            async with goodbye():
                await self._channel.cancel(tag)
            self._waiting.discard(arrived)
            if not arrived.done():
                return None
            if not arrived.cancelled():
                return arrived.result() or self._complain_of_deletion(queue_name)
        return None

    async def _begin(self, queue_name: str) -> tuple[str, asyncio.Future[Delivery | None]]:
        """Start a consumer; return its tag, and the future of its first delivery, if any."""
        arrived: asyncio.Future[Delivery | None] = asyncio.get_running_loop().create_future()

        def resolve(delivery: Delivery | None = None) -> None:
            if not arrived.done():
                arrived.set_result(delivery)

        self._waiting.add(arrived)
        try:
            return await self._channel.consume(queue_name, 1, Receiver(resolve, resolve)), arrived
        except BaseException:
            self._waiting.discard(arrived)
            raise

    def _complain_of_deletion(self, queue_name: str) -> NoReturn:
        raise ConsumerQueueNotFound(
            f"queue {queue_name!r} at {self._channel.address} was deleted while waiting for a "
            "message"
        )

    async def _accept(
        self, delivery: Delivery, queue_name: str, undecodable_as_bytes: bool
    ) -> IncomingMessage | None:
        """Acknowledge and return a message; None for one that cannot be decoded."""
        try:
            message = decode(delivery, undecodable_as_bytes)
            await self._channel.settle(delivery, Outcome.ACKNOWLEDGE)
        except ValueError as error:
            outcome = await outcome_of_failure(
                self._channel, delivery, "get", queue_name, None, error
            )
            await self._channel.settle(delivery, outcome)
            return None
        except asyncio.CancelledError:
            await self._channel.settle(delivery, Outcome.RELEASE)
            raise
        return message
