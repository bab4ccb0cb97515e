"""Operations of a program that are API calls, and their results as text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from mooq.errors import MooqError
from mooq.parity import internals
from mooq.parity.participants import Participants
from mooq.parity.programs import (
    Cancel,
    CloseChannel,
    CloseConnection,
    Declare,
    DeleteQueue,
    Drop,
    Get,
    Operation,
    Publish,
    Restart,
    Together,
)

SHORT = 0.02  # seconds within which callbacks may finish when their channel is closed
UNKNOWN = "cancelled: sent or not"

UNWRITABLE: dict[str, Any] = {
    "<NaN>": float("nan"),
    "<bytes>": b"bytes",
    "<a set>": {1},
    "<a tuple>": (1, (2,)),
    "<a surrogate>": "\ud800",
}
"""Messages that JSON cannot represent exactly, by their names in programs."""


class Calls:
    """Makes the calls of one program on one broker."""

    def __init__(self, participants: Participants) -> None:
        self._participants = participants

    async def perform(
        self, number: int, operation: Operation, chosen: tuple[int, ...] | None
    ) -> tuple[str, ...]:
        """Return the results of an operation, one text for each of its calls."""
        if isinstance(operation, Together):
            return await self._together(number, operation, chosen)
        if isinstance(operation, Cancel):
            return await self._cancel(number, operation.call, chosen)
        return (await self.answer(self._call(operation, f"m{number}")),)

    async def answer(self, call: Awaitable[object]) -> str:
        """Return what a call returned or raised, as text."""
        try:
            returned = await call
        except Exception as error:  # noqa: BLE001 - the other broker must raise it too
            return self._participants.normalizer.of_error(error)
        return "" if returned is None else self._participants.normalizer.of(str(returned))

    async def _together(
        self, number: int, together: Together, chosen: tuple[int, ...] | None
    ) -> tuple[str, ...]:
        # Channels are opened first, one by one.
        for call in together.calls:
            await self.answer(self._participants.channel(call.channel))
        calls = [
            self.answer(self._call(call, f"m{number}.{place}"))
            for place, call in enumerate(together.calls, 1)
        ]
        if chosen is None:
            return tuple(await asyncio.gather(*calls))
        answers = [""] * len(calls)
        for place in chosen:
            answers[place] = await calls[place]
        return tuple(answers)

    async def _cancel(
        self, number: int, call: Publish, chosen: tuple[int, ...] | None
    ) -> tuple[str, ...]:
        """Start a publish and cancel it; return when RabbitMQ has read the sent data."""
        try:
            channel = await self._participants.channel(call.channel)
        except MooqError:
            return (UNKNOWN,)
        if chosen != ():
            publishing = asyncio.ensure_future(self.answer(self._call(call, f"m{number}")))
            if chosen is None:
                await asyncio.sleep(0)  # lets it start
                publishing.cancel()
            await asyncio.wait([publishing])
        # Confirms come in order, so the cancelled publish has been read before this one.
        await self.answer(channel.publish(exchange_name="", routing_key="nobody", msg=None))
        return (UNKNOWN,)

    def _call(self, operation: Operation, label: str) -> Coroutine[Any, Any, object]:
        if isinstance(operation, Declare):
            return self._declare(operation)
        if isinstance(operation, Publish):
            return self.publish(operation, label)
        if isinstance(operation, Get):
            return self._get(operation)
        if isinstance(operation, DeleteQueue):
            return self._delete_queue(operation)
        if isinstance(operation, CloseChannel):
            return self._close_channel(operation)
        if isinstance(operation, CloseConnection):
            return self._close_connection(operation)
        if isinstance(operation, Drop):
            return self._drop(operation)
        if isinstance(operation, Restart):
            return self._restart()
        raise TypeError(f"{operation!r} is not a call")

    async def _declare(self, asked: Declare) -> None:
        channel = await self._participants.channel(asked.channel)
        await channel.register_producer(
            exchange_name=self._participants.exchange(asked.exchange), exchange_type=asked.type
        )

    async def publish(self, asked: Publish, label: str) -> None:
        """Publish a message; without ``msg`` its content is ``label``."""
        channel = await self._participants.channel(asked.channel)
        msg = label if asked.msg is None else asked.msg
        await channel.publish(
            exchange_name=self._participants.exchange(asked.exchange),
            msg=UNWRITABLE.get(msg, msg) if isinstance(msg, str) else msg,
            routing_key=self._participants.key(asked.exchange, asked.key),
            mandatory=asked.mandatory,
            headers=asked.headers,
            message_id=asked.message_id,
            **(asked.properties or {}),
        )

    async def _get(self, asked: Get) -> str:
        channel = await self._participants.channel(asked.channel)
        message = await channel.get(self._participants.queue(asked.queue), asked.timeout)
        return self._participants.normalizer.of_message(message)

    async def _delete_queue(self, asked: DeleteQueue) -> None:
        channel = await self._participants.channel(asked.channel)
        await channel.delete_queue(self._participants.queue(asked.queue))

    async def _close_channel(self, asked: CloseChannel) -> None:
        channel = await self._participants.channel(asked.channel)
        await channel.close(timeout=SHORT)

    async def _close_connection(self, asked: CloseConnection) -> None:
        connection = await self._participants.connection(asked.connection)
        await connection.close(timeout=SHORT)

    async def _drop(self, asked: Drop) -> None:
        connection = await self._participants.connection(asked.connection)
        if not internals.is_closed(connection):
            await internals.drop(connection)

    async def _restart(self) -> None:
        await self._participants.target.restart()
