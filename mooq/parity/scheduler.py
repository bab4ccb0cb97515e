"""Event processing: starts the callbacks of deliveries, and lets them finish one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

from mooq.client.connection import Connection
from mooq.errors import MooqError
from mooq.parity import internals
from mooq.parity.callbacks import Callbacks, RunningCallback
from mooq.parity.conditions import until
from mooq.parity.participants import Member, Participants
from mooq.parity.programs import (
    CloseChannel,
    Consume,
    DeleteQueue,
    Process,
    Send,
    Settle,
    Succeed,
    connection_of,
)
from mooq.parity.targets import InMemory
from mooq.transports.message import Delivery

Started = tuple[str, str, Delivery]
"""A consumer, the text of a message, and its delivery."""


class Scheduler:
    """Runs the callbacks of a program, and waits for their effects."""

    def __init__(self, participants: Participants) -> None:
        self._participants = participants
        self._is_instant = isinstance(participants.target, InMemory)
        self.callbacks: Callbacks = Callbacks(self._send)
        self.late_answers: dict[int, str] = {}
        self._waiting: list[tuple[str, RunningCallback]] = []
        self._unfinished: list[tuple[int, asyncio.Task[None]]] = []

    async def process(self, number: int, asked: Process) -> tuple[str, list[Started]]:
        """Process events; return what ``process_events`` raised, and the started callbacks."""
        connection = await self._participants.connection(asked.connection)
        started: list[Started] = []
        answers = []
        if internals.is_closed(connection):
            closed = asyncio.ensure_future(connection.process_events(num_cycles=1))
            return await self._outcome(closed), started
        for _ in range(asked.cycles):
            try:
                await self._recover(connection)
            except MooqError as error:
                return self._participants.normalizer.of_error(error), started
            waiting = internals.arrived(connection)
            if not waiting:
                break
            processing = asyncio.create_task(connection.process_events(num_cycles=1))
            begun = await self.callbacks.started(len(waiting), processing)
            started += [
                (
                    one.asked.consumer,
                    self._participants.normalizer.of_message(one.message),
                    delivery,
                )
                for one, (_, delivery) in zip(begun, waiting, strict=False)
            ]
            await self._finish_callbacks(begun)
            if all(one.task.done() for one in begun):
                answers.append(await self._outcome(processing))
            else:
                self._unfinished.append((number, processing))
        return "; ".join(filter(None, answers)), started

    async def _recover(self, connection: Connection) -> None:
        """Recover a lost connection; return when everything sent to it has arrived."""
        if internals.is_lost(connection):
            await internals.recover(connection)
            self._participants.name_queues()
            await self.ready()
        if not self._is_instant:
            for channel in internals.channels(connection):
                await channel.flush()

    async def _finish_callbacks(self, begun: Iterable[RunningCallback]) -> None:
        """Let callbacks finish in the order of their consumers' names."""
        before: RunningCallback | None = None
        for one in sorted(begun, key=lambda begun: begun.asked.consumer):
            if before is not None and not _may_follow(one.asked, before.asked):
                await self._settled(before)
            if await one.proceed():
                before = one
            else:
                self._waiting.append((one.asked.does.event, one))  # type: ignore[union-attr]
        if before is not None:
            await self._settled(before)

    async def release(self, event: str | None) -> None:
        """Release the callbacks that wait for an event, or for any event."""
        ready = [one for waits_for, one in self._waiting if event in (None, waits_for)]
        self._waiting = [pair for pair in self._waiting if pair[1] not in ready]
        for one in ready:
            if not one.task.done():
                await one.proceed()
                await self._settled(one)
        if all(one.task.done() for _, one in self._waiting):
            for number, processing in self._unfinished:
                earlier = self.late_answers.get(number)
                answers = [earlier, await self._outcome(processing)]
                self.late_answers[number] = "; ".join(filter(None, answers))
            self._unfinished.clear()

    async def _outcome(self, processing: asyncio.Task[None]) -> str:
        """Return the error of ``process_events``, if any, as text."""
        try:
            await processing
        except Exception as error:  # noqa: BLE001 - the other broker must raise it too
            return self._participants.normalizer.of_error(error)
        return ""

    async def _settled(self, begun: RunningCallback) -> None:
        """Return when all effects of a callback's settlement have happened."""
        if self._is_instant:
            return
        member = self._participants.members[begun.asked.consumer]
        await member.channel.flush()
        if not self._is_disconnected(member):
            await self._ready_in(member)
        is_rejected = begun.has_failed and begun.message["redelivered"]
        if is_rejected or isinstance(begun.asked.does, Settle):
            await self.ready()  # it may have been dead-lettered into any queue

    async def ready(self) -> dict[str, int | None]:
        """Return the number of ready messages in each queue, after earlier requests to it.

        A missing queue is checked once, because RabbitMQ closes a channel to report it.
        """
        inspector = self._participants.target.inspector
        ready = {}
        for queue in sorted(self._participants.declared):
            ready[queue] = await internals.ready(inspector, self._participants.queue(queue))
            if ready[queue] is None:
                del self._participants.declared[queue]
        for name, member in sorted(self._participants.members.items()):
            has_own = member.asked.queue is None and member.subscription.tag is not None
            if has_own and not self._is_disconnected(member):
                ready[f"@{name}"] = await self._ready_in(member)
        return ready

    async def ready_of(self, asked: Consume) -> dict[str, int | None]:
        """Return the number of ready messages in the queue of a new consumer."""
        member = self._participants.members.get(asked.consumer)
        if member is None or member.asked is not asked:
            return {}
        ready = await internals.count(member.channel, member.queue_name)
        return {asked.queue or f"@{asked.consumer}": ready}

    async def _ready_in(self, member: Member) -> int | None:
        return await internals.ready(member.channel, member.queue_name)

    async def wait_until_gone(self, operation: CloseChannel | DeleteQueue) -> None:
        """Return when the consumers and queues that an operation ends are gone.

        RabbitMQ deletes a queue some time after its last consumer, and notifies consumers some time
        after their queue was deleted.
        """
        if self._is_instant:
            return
        for member in self._participants.members.values():
            asked = member.asked
            if isinstance(operation, DeleteQueue) and member.subscription.tag is not None:
                if operation.queue in (asked.queue, f"@{asked.consumer}"):
                    await until(
                        partial(self._is_told, member),
                        f"consumer {asked.consumer} to be told that its queue was deleted",
                    )
            elif asked.queue is None and asked.channel == getattr(operation, "channel", None):
                await until(
                    partial(self._is_gone, member),
                    f"the queue of consumer {asked.consumer} to be gone with its channel",
                )

    async def _is_gone(self, member: Member) -> bool:
        return (
            self._is_disconnected(member)
            or await internals.count(member.channel, member.queue_name) is None
        )

    async def _is_told(self, member: Member) -> bool:
        if member.channel.is_closed or self._is_disconnected(member):
            return True
        await member.channel.flush()
        return member.subscription.tag is None

    def _is_disconnected(self, member: Member) -> bool:
        connection = self._participants.connections[connection_of(member.asked.channel)]
        return internals.is_closed(connection) or internals.is_lost(connection)

    async def _send(self, asked: Consume, does: Send, msg: object) -> None:
        channel = await self._participants.channel(asked.channel)
        await channel.publish(
            exchange_name=self._participants.exchange(does.exchange),
            msg=f"{asked.consumer} got {msg}",
            routing_key=self._participants.key(does.exchange, does.key),
        )


def _may_follow(this: Consume, before: Consume) -> bool:
    """Return whether RabbitMQ handles two acknowledgements in order: same channel and queue."""
    return (
        isinstance(this.does, Succeed)
        and isinstance(before.does, Succeed)
        and (this.channel, this.queue) == (before.channel, before.queue)
        and (this.queue is not None or this.consumer == before.consumer)
    )
