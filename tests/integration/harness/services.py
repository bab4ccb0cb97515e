"""A service on each client library that processes jobs and publishes the results.

It acknowledges finished jobs, rejects ``"bad"`` and requeues ``"later"`` once.
"""

from __future__ import annotations

import asyncio
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import aio_pika
import pika
from aio_pika.abc import AbstractIncomingMessage
from celery import Celery
from celery.exceptions import Reject
from faststream.rabbit import RabbitBroker, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage

import mooq
from mooq.testing.sync_broker import SyncBroker
from tests.integration.celery_worker import collect_sockets, worker_of
from tests.integration.inbox import LONGEST_WAIT

JOBS, RESULTS, DEAD = "jobs", "results", "dead"
ARGUMENTS = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD}


class Service(ABC):
    """A service in its own threads, and a client that sends it jobs."""

    acknowledges_last = True

    def __init__(self, broker: SyncBroker) -> None:
        self._broker = broker
        self.done: list[str] = []
        """The finished jobs, in order."""
        self.may_go_on: threading.Event = threading.Event()
        """Jobs wait for this event."""
        self.may_go_on.set()

    @abstractmethod
    def start(self, at_the_end: ExitStack) -> None:
        """Start consuming."""

    @abstractmethod
    def send(self, *jobs: str) -> None:
        """Publish jobs and wait for their confirms."""

    @abstractmethod
    def send_nowhere(self) -> None:
        """Publish an unroutable message that is not mandatory."""

    def do(self, job: str) -> None:
        """Do a job."""
        assert self.may_go_on.wait(LONGEST_WAIT)
        self.done.append(job)


class LoopThread:
    """An event loop in its own thread."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(LONGEST_WAIT)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class AsyncService(Service):
    """A service on an asyncio client."""

    def start(self, at_the_end: ExitStack) -> None:
        self._thread = LoopThread()
        at_the_end.callback(self._thread.close)
        stack = AsyncExitStack()
        at_the_end.callback(lambda: self._thread.run(stack.aclose()))
        self._thread.run(self.begin(stack))

    def send(self, *jobs: str) -> None:
        for job in jobs:
            self._thread.run(self.publish(job, JOBS))

    def send_nowhere(self) -> None:
        self._thread.run(self.publish("", "nowhere"))

    async def do_later(self, job: str) -> None:
        await asyncio.to_thread(self.do, job)

    @abstractmethod
    async def begin(self, at_the_end: AsyncExitStack) -> None: ...

    @abstractmethod
    async def publish(self, text: str, queue: str) -> None:
        """Publish and wait for the confirm, also of an unroutable message."""


class OnAioPika(AsyncService):
    async def begin(self, at_the_end: AsyncExitStack) -> None:
        connection = await aio_pika.connect(self._broker.url)
        at_the_end.push_async_callback(connection.close)
        self._channel = await connection.channel()
        await self._channel.set_qos(2)
        await self._channel.declare_queue(RESULTS)
        await self._channel.declare_queue(DEAD)
        queue = await self._channel.declare_queue(JOBS, arguments=dict(ARGUMENTS))
        await queue.consume(self._work)

    async def _work(self, message: AbstractIncomingMessage) -> None:
        job = message.body.decode()
        await self.do_later(job)
        if job == "bad":
            await message.reject()
        elif job == "later" and not message.redelivered:
            await message.nack(requeue=True)
        else:
            await self.publish(f"{job} done", RESULTS)
            await message.ack()

    async def publish(self, text: str, queue: str) -> None:
        message = aio_pika.Message(text.encode(), content_type="text/plain")
        await self._channel.default_exchange.publish(message, queue, mandatory=False)


class OnMooq(AsyncService):
    async def begin(self, at_the_end: AsyncExitStack) -> None:
        connection = await mooq.connect(**self._broker.arguments)
        at_the_end.push_async_callback(connection.close)
        self._channel = await connection.create_channel()
        await self._channel.declare_queue(RESULTS)
        await self._channel.declare_queue(DEAD)
        await self._channel.declare_queue(JOBS, arguments=ARGUMENTS)
        await self._channel.consume(JOBS, self._work, prefetch_count=2, manual=True)
        processing = asyncio.create_task(connection.process_events())
        at_the_end.callback(processing.cancel)

    async def _work(self, message: mooq.IncomingMessage, delivery: mooq.ManualDelivery) -> None:
        job = message["msg"]
        await self.do_later(job)
        if job == "bad":
            await delivery.reject()
        elif job == "later" and not message["redelivered"]:
            await delivery.requeue()
        else:
            await self.publish(f"{job} done", RESULTS)
            await delivery.acknowledge()

    async def publish(self, text: str, queue: str) -> None:
        await self._channel.publish(exchange_name="", routing_key=queue, msg=text)


class OnFastStream(AsyncService):
    async def begin(self, at_the_end: AsyncExitStack) -> None:
        self._service = RabbitBroker(self._broker.url, logger=None)
        queue = RabbitQueue(JOBS, arguments=ARGUMENTS)

        @self._service.subscriber(queue)
        async def work(job: str, message: RabbitMessage) -> None:
            await self.do_later(job)
            if job == "bad":
                await message.reject()
            elif job == "later" and not message.raw_message.redelivered:
                await message.nack()
            else:
                await self._service.publish(f"{job} done", RESULTS)

        await self._service.connect()
        await self._service.declare_queue(RabbitQueue(RESULTS))
        await self._service.declare_queue(RabbitQueue(DEAD))
        await self._service.start()
        at_the_end.push_async_callback(self._service.stop)

    async def publish(self, text: str, queue: str) -> None:
        await self._service.publish(text, queue, mandatory=False)


class OnPika(Service):
    def start(self, at_the_end: ExitStack) -> None:
        parameters = pika.URLParameters(self._broker.url)
        consuming = pika.BlockingConnection(parameters)
        channel = consuming.channel()
        channel.confirm_delivery()
        channel.queue_declare(RESULTS)
        channel.queue_declare(DEAD)
        channel.queue_declare(JOBS, arguments=ARGUMENTS)
        channel.basic_qos(prefetch_count=2)
        channel.basic_consume(JOBS, self._work)
        thread = threading.Thread(target=channel.start_consuming)
        thread.start()

        def stop() -> None:
            consuming.add_callback_threadsafe(channel.stop_consuming)
            thread.join()
            consuming.close()

        at_the_end.callback(stop)
        publishing = pika.BlockingConnection(parameters)
        at_the_end.callback(publishing.close)
        self._channel = publishing.channel()
        self._channel.confirm_delivery()

    def _work(self, channel: Any, method: Any, _: Any, body: bytes) -> None:
        job = body.decode()
        self.do(job)
        if job == "bad":
            channel.basic_reject(method.delivery_tag, requeue=False)
        elif job == "later" and not method.redelivered:
            channel.basic_nack(method.delivery_tag, requeue=True)
        else:
            _publish(channel, RESULTS, f"{job} done")
            channel.basic_ack(method.delivery_tag)

    def send(self, *jobs: str) -> None:
        for job in jobs:
            _publish(self._channel, JOBS, job)

    def send_nowhere(self) -> None:
        _publish(self._channel, "nowhere", "")


def _publish(channel: Any, queue: str, text: str) -> None:
    channel.basic_publish("", queue, text, pika.BasicProperties(content_type="text/plain"))


class OnCelery(Service):
    """A Celery service with ``task_acks_late``: by default Celery acknowledges tasks early."""

    def start(self, at_the_end: ExitStack) -> None:
        from kombu import Queue

        with pika.BlockingConnection(pika.URLParameters(self._broker.url)) as connection:
            channel = connection.channel()
            channel.queue_declare(RESULTS)
            channel.queue_declare(DEAD)
        app = Celery("jobs", broker=self._broker.url, set_as_current=False)
        app.conf.update(
            task_acks_late=True,
            task_ignore_result=True,
            task_queues=[Queue(JOBS, queue_arguments=ARGUMENTS)],
            task_default_queue=JOBS,
            broker_transport_options={"confirm_publish": True},
        )

        @app.task(bind=True, shared=False, name="work")
        def work(task: Any, job: str) -> None:
            self.do(job)
            redelivered = task.request.delivery_info["redelivered"]
            if job == "bad" or (job == "later" and not redelivered):
                raise Reject(job, requeue=job == "later")
            with app.producer_pool.acquire() as producer:
                producer.publish(f"{job} done", exchange="", routing_key=RESULTS)

        self._task = work
        at_the_end.callback(collect_sockets)
        at_the_end.enter_context(worker_of(app))

    def send(self, *jobs: str) -> None:
        for job in jobs:
            self._task.delay(job)

    def send_nowhere(self) -> None:
        with self._task.app.producer_pool.acquire() as producer:
            producer.publish("", exchange="", routing_key="nowhere")


SERVICES: dict[str, Callable[[SyncBroker], Service]] = {
    "mooq": OnMooq,
    "aio-pika": OnAioPika,
    "pika": OnPika,
    "celery": OnCelery,
    "faststream": OnFastStream,
}


def job_of(message: Any) -> str:
    """Return the job in a message; Celery's is a task argument."""
    if isinstance(message, list):
        job: str = message[0][0]
        return job
    return message if isinstance(message, str) else json.dumps(message)
