"""The dispatcher: deliveries of a connection and the callbacks that process them.

The tests use channels of an in-memory broker, so requeued messages are visible in its queues.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from functools import partial

import pytest

from mooq.basics.address import Address
from mooq.client.consumer import Consumer
from mooq.client.dispatcher import Dispatcher, finished
from mooq.client.slow_callbacks import report_block
from mooq.client.timed_out import TimedOutCallbacks
from mooq.transports.base import Receiver
from mooq.transports.declarations import Queue
from mooq.transports.direct import DirectChannel
from mooq.transports.mailbox import SharedBroker
from mooq.transports.memory import Link, MemoryChannel, MemoryTransport
from mooq.transports.message import IncomingMessage, Message
from tests.unit.driving import new_broker

TIMEOUT = 60.0


class Line:
    """A queue and a channel that consumes it on a separate connection."""

    def __init__(self, dispatcher: Dispatcher, listener: SharedBroker, name: str) -> None:
        self.name = name
        self.began: list[str] = []
        self.done: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self._dispatcher = dispatcher
        self._broker = listener.broker
        self._tags: list[str] = []
        address = Address()
        self.link = Link(listener, address, lambda: None)
        self.channel = MemoryChannel(MemoryTransport(address), self._open_channel)
        self.consumer = self.new_consumer()

    def _open_channel(self) -> tuple[Link, DirectChannel]:
        return self.link, self.link.connection.channel()

    def new_consumer(self) -> Consumer:
        return Consumer(self.callback, self.channel, None, TimedOutCallbacks(), report_block)

    async def callback(self, message: IncomingMessage) -> None:
        self.began.append(message["msg"])
        await self.may_end.wait()
        self.done.append(message["msg"])

    async def open(self) -> None:
        await self.channel.open()
        await self.channel.declare_queue(Queue(self.name))
        await self.consume(self.consumer)

    async def consume(self, consumer: Consumer) -> None:
        receiver = Receiver(partial(self._dispatcher.put, consumer), lambda: None)
        self._tags.append(await self.channel.consume(self.name, 100, receiver))

    async def stop_consuming(self) -> None:
        for tag in self._tags:
            await self.channel.cancel(tag)

    async def publish(self, *bodies: str) -> None:
        for body in bodies:
            message = Message(f'"{body}"'.encode(), "", self.name)
            await self.channel.publish(message, True, TIMEOUT)

    def ready(self) -> list[str]:
        """Get all ready messages of the queue; ``R`` marks redelivered ones."""
        channel = self._broker.connect("/", "guest", "guest", lambda: None).channel()
        ready = []
        while (delivery := channel.get(self.name)) is not None:
            ready.append(delivery.message.body.decode().strip('"') + "R" * delivery.redelivered)
        return ready


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher()


@pytest.fixture
async def lines(dispatcher: Dispatcher) -> tuple[Line, Line]:
    """Two queues, each consumed by its own channel; one dispatcher gets their deliveries."""
    listener = SharedBroker(new_broker(), 2047)
    lines = Line(dispatcher, listener, "one"), Line(dispatcher, listener, "two")
    for line in lines:
        await line.open()
    return lines


async def test_callbacks_start_in_order_and_run_concurrently(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, two = lines
    two.began = one.began
    one.may_end.clear()
    await one.publish("a")
    await two.publish("b")
    await one.publish("c")
    tasks = dispatcher.start_all()
    await asyncio.wait(tasks[1:2], timeout=TIMEOUT)
    assert one.began == ["a", "b", "c"]
    assert (one.done, two.done) == ([], ["b"])
    one.may_end.set()
    assert await asyncio.gather(*tasks) == [None, None, None]
    await one.channel.close()
    assert one.ready() == []


async def test_started_callbacks_are_not_started_again(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, _ = lines
    await one.publish("a")
    await asyncio.wait(dispatcher.start_all(), timeout=TIMEOUT)
    assert dispatcher.start_all() == []
    assert one.began == ["a"]
    assert not dispatcher._running


async def test_wait_returns_at_once_with_pending_deliveries(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    await lines[0].publish("a")
    async with asyncio.timeout(TIMEOUT):
        await dispatcher.wait()
        await dispatcher.wait()


@pytest.mark.parametrize("by", ["a delivery", "wake"])
async def test_wait_ends_on_a_delivery_or_wake(
    dispatcher: Dispatcher, lines: tuple[Line, Line], by: str
) -> None:
    waiting = asyncio.ensure_future(dispatcher.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    if by == "wake":
        dispatcher.wake()
    else:
        await lines[0].publish("a")
    async with asyncio.timeout(TIMEOUT):
        await waiting


async def test_wake_ends_only_one_wait(dispatcher: Dispatcher, lines: tuple[Line, Line]) -> None:
    dispatcher.wake()
    await dispatcher.wait()
    waiting = asyncio.ensure_future(dispatcher.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_deliveries_of_a_lost_channel_are_forgotten(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, two = lines
    await one.publish("a")
    await two.publish("b")
    one.link.close()
    dispatcher.forget_lost()
    await asyncio.gather(*dispatcher.start_all())
    assert (one.began, two.began) == ([], ["b"])
    assert one.ready() == ["aR"]


async def test_only_pending_deliveries_are_requeued(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, two = lines
    one.may_end.clear()
    await one.publish("a")
    (running,) = dispatcher.start_all()
    await one.publish("b")
    await two.publish("c")
    await one.publish("d")
    await one.stop_consuming()
    await dispatcher.requeue_arrived(one.channel)
    assert one.ready() == ["bR", "dR"]
    one.may_end.set()
    await asyncio.gather(running, *dispatcher.start_all())
    assert (one.done, two.done) == (["a"], ["c"])


async def test_consumer_requeues_only_its_own_deliveries(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, _ = lines
    await one.consume(one.new_consumer())
    await one.publish("a", "b", "c", "d")
    await one.stop_consuming()
    await dispatcher.requeue_arrived(one.consumer)
    assert one.ready() == ["aR", "cR"]
    await asyncio.gather(*dispatcher.start_all())
    assert one.done == ["b", "d"]


async def test_finish_waits_for_running_callbacks(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, two = lines
    two.may_end.clear()
    await one.publish("a")
    await two.publish("b")
    _, running = dispatcher.start_all()
    await dispatcher.finish(TIMEOUT, one.channel)
    assert (one.done, two.done) == (["a"], [])
    finishing = asyncio.ensure_future(dispatcher.finish(TIMEOUT))
    await asyncio.sleep(0)
    assert not finishing.done()
    two.may_end.set()
    await finishing
    assert (two.done, running.done()) == (["b"], True)


async def test_finish_cancels_slow_callbacks_and_requeues(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, two = lines
    for line in lines:
        line.may_end.clear()
        await line.publish("a", "b")
        await line.stop_consuming()
    tasks = dispatcher.start_all()
    await dispatcher.finish(0.01, one.channel)
    assert [task.cancelled() for task in tasks] == [True, True, False, False]
    assert (one.began, one.done) == (["a", "b"], [])
    assert one.ready() == ["aR", "bR"]
    two.may_end.set()
    await dispatcher.finish(TIMEOUT)
    assert two.done == ["a", "b"]


async def test_cancelled_finish_cancels_callbacks(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, _ = lines
    one.may_end.clear()
    await one.publish("a")
    await one.stop_consuming()
    tasks = dispatcher.start_all()
    finishing = asyncio.ensure_future(dispatcher.finish(TIMEOUT))
    await asyncio.sleep(0)
    finishing.cancel()
    await asyncio.wait([finishing, *tasks], timeout=TIMEOUT)
    assert finishing.cancelled()
    assert tasks[0].cancelled()
    assert one.ready() == ["aR"]


async def test_callback_does_not_wait_for_itself(
    dispatcher: Dispatcher, lines: tuple[Line, Line]
) -> None:
    one, two = lines

    async def finish(message: IncomingMessage) -> None:
        await dispatcher.finish(TIMEOUT)
        one.began.append("finished after " + " ".join(two.done))

    await one.stop_consuming()
    await one.consume(Consumer(finish, one.channel, None, TimedOutCallbacks(), report_block))
    await one.publish("a")
    await two.publish("b")
    async with asyncio.timeout(TIMEOUT / 2):
        await asyncio.gather(*dispatcher.start_all())
    assert one.began == ["finished after b"]


async def test_finish_without_callbacks_returns_at_once(dispatcher: Dispatcher) -> None:
    async with asyncio.timeout(TIMEOUT):
        await dispatcher.finish(math.inf)


async def test_callback_swallowing_cancellation_is_abandoned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    released = asyncio.Event()

    async def stubborn() -> Exception | None:
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
        return None

    task = asyncio.create_task(stubborn())
    async with asyncio.timeout(TIMEOUT):
        await finished([task], 0.01)
    assert not task.done()
    assert "must not swallow CancelledError" in caplog.text
    released.set()
    await task
