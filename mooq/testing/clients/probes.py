"""Requests to RabbitMQ on a client's own connection, to decide whether it is idle.

An exclusive queue answers only its own connection, so the probes use that connection, on a channel
that the client does not see. They do not rely on a clock. A channel handles its methods in order,
so when it answers ``channel.flow``, it has routed everything published before. A queue handles
``basic.get`` after the messages, requeues and rejections that it was sent before. If a probe gets a
message, it requeues it at once, and the client sees it as new. That is rare: as long as a consumer
may get more messages, its queue has no ready ones.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mooq.amqp import methods
from mooq.amqp.frames import method_frame
from mooq.amqp.methods import Method, Values
from mooq.testing.clients.channel import ClientChannel, Request
from mooq.transports.message import DIRECT_REPLY_TO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mooq.testing.clients.activity import ClientActivity
    from mooq.testing.clients.tap import Tap
    from mooq.testing.faults.tcp import Route

UNKNOWN_CODE = 200  # for a close that nothing reads


class Gone(Exception):
    """The channel closed before it answered, or cannot be asked now."""


class Prober:
    """Sends probes on one connection, in the proxy's event loop."""

    def __init__(self, route: Route, tap: Tap, activity: ClientActivity) -> None:
        self._route = route
        self._tap = tap
        self._activity = activity

    async def waiting(self) -> dict[str, int]:
        """Return the number of messages in each queue that is consumed on this connection."""
        try:
            for channel in list(self._tap.channels.values()):
                if channel.is_open:
                    await self._ask(channel, methods.CHANNEL_FLOW, True)
        except Gone:  # it is closing, or the client is publishing; ask again later
            self._activity.happen()
            return {}
        consumed = {consumer.queue_name for consumer in self._tap.consumers}
        return {name: await self._count(name) for name in sorted(consumed - {DIRECT_REPLY_TO})}

    async def _count(self, queue_name: str) -> int:
        """Return the number of ready messages in a queue; 0 if the queue is gone."""
        try:
            async with self._hidden_channel() as channel:
                _, values = await self._ask(
                    channel, methods.QUEUE_DECLARE, 0, queue_name, True, *[False] * 4, {}
                )
                ready: int = values[1]
                if ready:
                    return ready
                method, values = await self._ask(channel, methods.BASIC_GET, 0, queue_name, False)
                if method is methods.BASIC_GET_EMPTY:
                    return 0
                if not values[1]:
                    self._activity.put_back[queue_name] += 1
                self._send(channel, methods.BASIC_NACK, values[0], False, True)
                return 1
        except Gone:
            return 0

    @asynccontextmanager
    async def _hidden_channel(self) -> AsyncIterator[ClientChannel]:
        """Open a channel that the client does not see, for the block."""
        tap = self._tap
        number = tap.channel_max
        while number in tap.channels or number in tap.hidden:
            number -= 1
        channel = tap.hidden[number] = ClientChannel(number, self._activity, serial=0)
        try:
            await self._ask(channel, methods.CHANNEL_OPEN, "")
            channel.is_open = True
            yield channel
            await self._ask(channel, methods.CHANNEL_CLOSE, UNKNOWN_CODE, "", 0, 0)
        except Gone:
            self._send(channel, methods.CHANNEL_CLOSE_OK)
            raise
        finally:
            tap.hidden.pop(number, None)

    async def _ask(
        self, channel: ClientChannel, method: Method, *values: object
    ) -> tuple[Method, Values]:
        """Return the answer to a method. Raises :class:`Gone`."""
        answer: asyncio.Future[tuple[Method, Values]] = asyncio.get_running_loop().create_future()

        def answered(answered_by: Method, answer_values: Values) -> None:
            if not answer.done():
                answer.set_result((answered_by, answer_values))

        if channel.publishing is not None:  # no method may come between the frames of one message
            raise Gone
        channel.requests.append(Request(method, values, answered))
        if not self._send(channel, method, *values):
            raise Gone
        found = await answer
        if found[0] is method:
            raise Gone
        return found

    def _send(self, channel: ClientChannel, method: Method, *values: object) -> bool:
        return self._route.inject(method_frame(channel.number, method, *values))
