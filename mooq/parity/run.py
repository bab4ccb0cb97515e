"""Runs of a program on one broker, and their traces.

All effects of an operation have happened before the next one starts. For RabbitMQ this is ensured
without sleeping: a channel replies after everything that it sent before, and a queue replies after
it has handled earlier requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from functools import partial

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from mooq.basics.wording import in_seconds
from mooq.client.connection import Connection
from mooq.errors import MooqError
from mooq.parity import internals
from mooq.parity.calls import SHORT, Calls
from mooq.parity.conditions import until
from mooq.parity.participants import Participants
from mooq.parity.programs import (
    Cancel,
    CloseChannel,
    CloseConnection,
    Consume,
    DeleteQueue,
    Drop,
    Operation,
    Process,
    Program,
    Release,
    Restart,
)
from mooq.parity.scheduler import Scheduler
from mooq.parity.targets import Target
from mooq.parity.trace import Delivered, Step, Trace
from mooq.transports.message import Delivery

Choices = Mapping[int, tuple[int, ...]]
"""The calls to make in each step, by its number, in sequence instead of concurrently."""

LOGGERS = (
    "mooq",
    "mooq.callbacks",
    "mooq.consumers",
    "mooq.recovery",
    "aiormq.channel",
    "aiormq.connection",
)
loggers: list[logging.Logger] = [logging.getLogger(name) for name in LOGGERS]

STEP_TIMEOUT = 60.0  # seconds; a restart is the longest
ATTEMPTS = 5  # for a program that the inspection of queues has disturbed


class Stuck(MooqError):
    """A step of a program did not end in time."""


async def run(program: Program, target: Target, choices: Choices | None = None) -> Trace:
    """Run a program on a broker; return its trace.

    ``choices`` replace concurrent calls by a sequence. Raises :class:`Stuck` if a step takes more
    than a minute, and :class:`~mooq.parity.internals.Disturbed` if every attempt was disturbed by
    the inspection of queues.
    """
    with _silenced_logs():
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(internals.Disturbed),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        ):
            with attempt:
                trace = await _run_once(program, target, choices or {})
        return trace


async def _run_once(program: Program, target: Target, choices: Choices) -> Trace:
    await target.begin()
    running = _Run(program, target, choices)
    try:
        return await running.trace()
    finally:
        await running.end()


class _Run:
    def __init__(self, program: Program, target: Target, choices: Choices) -> None:
        self._program = program
        self._target = target
        self._choices = choices
        self._participants = Participants(target)
        self._scheduler = Scheduler(self._participants)
        self._calls = Calls(self._participants)
        self._lost: set[str] = set()
        self._arrived: dict[int, tuple[Delivery, int]] = {}

    async def trace(self) -> Trace:
        steps = []
        for number, operation in enumerate(self._program, 1):
            try:
                async with asyncio.timeout(STEP_TIMEOUT):
                    steps.append(await self._step(number, operation))
            except TimeoutError as error:
                raise Stuck(
                    f"step {number}, {operation!r}, did not end within "
                    f"{in_seconds(STEP_TIMEOUT)} on {self._target.address} "
                    f"(RabbitMQ {self._target.version})"
                ) from error
        return Trace(self._with_late_answers(steps), await self._close_and_drain())

    async def _step(self, number: int, operation: Operation) -> Step:
        answer, deliveries = await self._perform(number, operation)
        ready = await self._settle(operation, answer == ("",), bool(deliveries))
        self._note_arrivals(number)
        return Step(answer, tuple(deliveries), ready)

    async def _perform(
        self, number: int, operation: Operation
    ) -> tuple[tuple[str, ...], list[Delivered]]:
        if isinstance(operation, Process):
            answer, started = await self._scheduler.process(number, operation)
            return (answer,), [
                Delivered(name, text, self._since(delivery, number))
                for name, text, delivery in started
            ]
        if isinstance(operation, Release):
            await self._scheduler.release(operation.event)
            return ("",), []
        if isinstance(operation, Consume):
            answer = await self._calls.answer(
                self._participants.register(operation, self._scheduler.callbacks.make(operation))
            )
            return (answer,), []
        chosen = self._choices.get(number)
        return await self._calls.perform(number, operation, chosen), []

    async def _settle(
        self, operation: Operation, was_done: bool, was_processed: bool
    ) -> dict[str, int | None]:
        """Wait for all effects of an operation; return the ready counts of the queues."""
        if isinstance(operation, Drop):
            self._lost.add(operation.connection)
        if isinstance(operation, Restart):
            self._lost |= set(self._participants.connections)
            for name, connection in self._participants.connections.items():
                await until(partial(_lost, connection), f"the loss of {name}")
        await self._return_of_lost(operation)
        if was_done and isinstance(operation, CloseChannel | DeleteQueue):
            await self._scheduler.wait_until_gone(operation)
        if isinstance(operation, Consume):
            return await self._scheduler.ready_of(operation)
        if was_processed or isinstance(
            operation, Release | CloseChannel | CloseConnection | DeleteQueue | Drop | Cancel
        ):
            return await self._scheduler.ready()
        return {}

    async def _return_of_lost(self, operation: Operation) -> None:
        """Wait for deliveries to the consumers of a recovered connection."""
        back = {
            name
            for name in self._lost
            if not internals.is_lost(self._participants.connections[name])
        }
        if back and not isinstance(operation, Drop | Restart):
            self._lost -= back
            self._participants.name_queues()
            await self._scheduler.ready()

    def _since(self, delivery: Delivery, number: int) -> int:
        """Return the step in which a delivery arrived: an earlier one, or the current one."""
        return self._arrived.get(id(delivery), (delivery, number))[1]

    def _note_arrivals(self, number: int) -> None:
        self._arrived = {
            id(delivery): (delivery, self._since(delivery, number))
            for connection in self._participants.connections.values()
            for _, delivery in internals.arrived(connection)
        }

    def _with_late_answers(self, steps: list[Step]) -> tuple[Step, ...]:
        """Return the steps, with the answers of cycles whose callbacks finished later."""
        late = self._scheduler.late_answers
        return tuple(
            Step((late[number],), step.deliveries, step.ready) if number in late else step
            for number, step in enumerate(steps, 1)
        )

    async def _close_and_drain(self) -> dict[str, tuple[str, ...]]:
        """Close every channel; return the messages left in each queue."""
        await self._scheduler.release(None)
        for connection in self._participants.connections.values():
            for channel in internals.channels(connection):
                await channel.close()
        left = {}
        for queue in sorted(self._participants.queues):
            name = self._participants.queue(queue)
            if await internals.ready(self._target.inspector, name):
                messages = await self._target.drain(name)
                left[queue] = tuple(map(self._participants.normalizer.of_message, messages))
        return left

    async def end(self) -> None:
        """Clean up, even if the program did not finish."""
        for connection in self._participants.connections.values():
            for channel in internals.channels(connection):
                await channel.close(timeout=SHORT)
            await self._target.release_connection(connection)
        queues = [self._participants.queue(name) for name in self._participants.queues]
        await self._target.end(queues, list(self._participants.exchanges))


async def _lost(connection: Connection) -> bool:
    return internals.is_closed(connection) or internals.is_lost(connection)


@contextlib.contextmanager
def _silenced_logs() -> Iterator[None]:
    """Disable logging, because callbacks fail and connections are lost on purpose."""
    before = [log.level for log in loggers]
    for log in loggers:
        log.setLevel(logging.CRITICAL + 1)  # child loggers inherit it
    try:
        yield
    finally:
        for log, level in zip(loggers, before, strict=True):
            log.setLevel(level)
