"""A connection's deliveries that wait for process_events(), and its running callbacks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from mooq.basics.wording import in_seconds
from mooq.client import refusals
from mooq.client.consumer import Consumer
from mooq.client.slow_callbacks import LongBlock, report_block
from mooq.client.timed_out import TimedOutCallbacks
from mooq.transports.base import TransportChannel
from mooq.transports.message import Delivery, Outcome

CUT_OFF_TIMEOUT = 1.0  # seconds for a callback to end once it is cancelled
REMIND_AFTER = 5.0  # seconds that the first message may wait before a reminder is logged

log: logging.Logger = logging.getLogger("mooq.callbacks")

CallbackTask = asyncio.Task[Exception | None]


class Dispatcher:
    """The deliveries of one connection, in order of arrival, and the tasks started for them."""

    def __init__(self) -> None:
        self._arrived: deque[tuple[Consumer, Delivery]] = deque()
        self._running: dict[CallbackTask, tuple[Consumer, Delivery]] = {}
        self.timed_out: TimedOutCallbacks = TimedOutCallbacks()
        self._something = asyncio.Event()
        self._is_processed = False
        self._last_block: LongBlock | None = None
        self._reminder: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> list[Delivery]:
        """The deliveries whose callback has not started, in order."""
        return [delivery for _, delivery in tuple(self._arrived)]

    @property
    def running(self) -> list[CallbackTask]:
        """The running callbacks."""
        return list(self._running)

    def put(self, consumer: Consumer, delivery: Delivery) -> None:
        """Add a delivery for a consumer."""
        if not self._arrived:  # otherwise nothing waits in wait()
            self._something.set()
            if self._reminder is None and not self._is_processed:
                self._reminder = asyncio.get_running_loop().call_later(REMIND_AFTER, self._remind)
        self._arrived.append((consumer, delivery))

    def _remind(self) -> None:
        """Log a reminder if messages arrive and nothing has ever started a callback."""
        if self._arrived and not self._is_processed:
            log.warning(
                "%s waiting but process_events() is not running; start it as a background task: "
                "asyncio.create_task(connection.process_events())",
                "1 message is" if len(self._arrived) == 1 else f"{len(self._arrived)} messages are",
            )

    def wake(self) -> None:
        """Wake everything that waits: the connection was lost or closed."""
        self._something.set()

    async def wait(self) -> None:
        """Return when there is a delivery, or :meth:`wake` was called since the last time."""
        if not self._arrived:
            await self._something.wait()
        self._something.clear()

    def start_all(self) -> list[CallbackTask]:
        """Start a callback for everything that has arrived, in order; return their tasks."""
        self._is_processed = True
        started = []
        create_task = asyncio.get_running_loop().create_task
        while self._arrived:
            pair = self._arrived.popleft()
            task = create_task(self._run(*pair), name=pair[0].task_name)
            self._running[task] = pair
            started.append(task)
        return started

    async def _run(self, consumer: Consumer, delivery: Delivery) -> Exception | None:
        try:
            if (
                delivery.redelivered
                and self.timed_out.entries
                and await self.timed_out.take_up(consumer.queue_name, consumer.channel, delivery)
            ):
                return None
            return await consumer.handle(delivery)
        finally:
            # Cheaper than a done callback, which the event loop would call in another iteration.
            self._running.pop(asyncio.current_task(), None)  # type: ignore[arg-type]

    def report_block(self, callback: str, queue_name: str, took: float) -> None:
        """Report that a callback blocked the event loop, and remember it if it took very long."""
        report_block(callback, queue_name, took)
        if took > 1:  # the shortest heartbeat
            ended = asyncio.get_running_loop().time()
            self._last_block = LongBlock(callback, queue_name, took, ended)

    def cause_of_loss(self, heartbeat: int) -> str:
        """Return how a callback has kept the connection from sending heartbeats; "" if none has.

        RabbitMQ closes the connection of a client that sends nothing for longer than the heartbeat.
        """
        block = self._last_block
        if block is None or not heartbeat or block.took < heartbeat:
            return ""
        if asyncio.get_running_loop().time() - block.ended > max(block.took, heartbeat):
            return ""
        return (
            f", since callback {block.callback}, queue {block.queue_name!r}, blocked the event "
            f"loop for {block.took:.1f} s, longer than the heartbeat of {heartbeat} s allows: "
            "await slow work, or run it with asyncio.to_thread()"
        )

    def begin_anew(self) -> None:
        """Forget everything, because the event loop is closed."""
        self._arrived.clear()
        self._running.clear()
        self.timed_out.entries.clear()
        self._something = asyncio.Event()
        self._reminder = None

    def forget_lost(self) -> None:
        """Drop what arrived on channels that are lost: the broker will deliver it again.

        Running callbacks continue. Those that took longer than the broker's ``consumer_timeout``
        are not started a second time while they run.
        """
        self._arrived = deque(pair for pair in self._arrived if not pair[0].channel.is_lost)
        for consumer, delivery in self._running.values():
            channel = consumer.channel
            if (
                channel.is_lost
                and not consumer.is_manual
                and refusals.is_consumer_timeout(channel.closed_by)
            ):
                self.timed_out.add(consumer.queue_name, delivery)

    def holds(self, consumer: Consumer) -> bool:
        """Return whether a consumer has a delivery that is waiting or being handled."""
        pairs = [*self._arrived, *self._running.values()]
        return any(one is consumer for one, _ in pairs)

    def time_out(self, consumer: Consumer) -> str | None:
        """Drop what arrived for a consumer that the broker has ended: it is delivered again.

        A running callback continues and is not started a second time. Returns the name of the
        callback if it is running.
        """
        self._arrived = deque(pair for pair in self._arrived if pair[0] is not consumer)
        running = [delivery for one, delivery in self._running.values() if one is consumer]
        if not consumer.is_manual:
            for delivery in running:
                self.timed_out.add(consumer.queue_name, delivery)
        return consumer.name if running else None

    def running_on(self, channel: TransportChannel) -> list[Consumer]:
        """Return the consumers with running callbacks on a channel, the longest-running first."""
        return [consumer for consumer, _ in self._running.values() if consumer.channel is channel]

    async def requeue_arrived(self, owner: TransportChannel | Consumer) -> None:
        """Requeue what arrived on a channel or for a consumer and was not started."""
        arrived, self._arrived = self._arrived, deque()
        mine = []
        for consumer, delivery in arrived:
            if owner in (consumer, consumer.channel):
                mine.append((consumer, delivery))
            else:
                self._arrived.append((consumer, delivery))
        for consumer, delivery in mine:
            await consumer.channel.settle(delivery, Outcome.RELEASE)

    async def finish(self, timeout: float, channel: TransportChannel | None = None) -> None:
        """Let running callbacks, of one channel or all, finish within ``timeout`` seconds.

        The others are then cancelled. A callback that closes its own channel is not waited for,
        because it is waiting for this call.
        """
        await finished(self._others(channel), timeout)

    def cut_off(self, channel: TransportChannel | None = None) -> None:
        """Cancel the running callbacks of one channel, or all."""
        for task in self._others(channel):
            task.cancel()

    def _others(self, channel: TransportChannel | None) -> list[CallbackTask]:
        current = asyncio.current_task()
        return [
            task
            for task, (consumer, _) in self._running.items()
            if task is not current and channel in (None, consumer.channel)
        ]


async def finished(tasks: Iterable[CallbackTask], timeout: float) -> None:
    """Return when all tasks are done; cancel those that are not done within ``timeout`` seconds."""
    tasks = list(tasks)
    if not tasks:
        return
    try:
        await asyncio.wait(tasks, timeout=timeout)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        raise
    late = [task for task in tasks if not task.done()]  # in order, and so are their messages
    for task in late:
        log.warning(
            "%s was cancelled: it did not finish within %s", task.get_name(), in_seconds(timeout)
        )
        task.cancel()
    if late:
        _, stubborn = await asyncio.wait(late, timeout=CUT_OFF_TIMEOUT)
        for task in stubborn:
            log.warning(
                "%s is still running after being cancelled; it must not swallow CancelledError",
                task.get_name(),
            )
