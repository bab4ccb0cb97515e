"""A test's broker for code without an event loop: the same, without ``await``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from threading import Thread
from typing import Any, TypeVar

from mooq.basics.address import URL
from mooq.testing.arguments import Arguments
from mooq.testing.broker import IDLE_TIMEOUT, Backend, Broker
from mooq.testing.faults import Faults
from mooq.testing.recorder import Event, Record, Recorder

T = TypeVar("T")


class SyncBroker:
    """A :class:`~mooq.testing.broker.Broker` for plain functions.

    An event loop in a separate thread serves it, so that clients may block.
    """

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self.broker: Broker = broker
        self._loop = loop

    @property
    def backend(self) -> Backend:
        """The name of the broker: ``"in_memory"`` or ``"rabbit"``."""
        return self.broker.backend

    @property
    def url(self) -> URL:
        """Like :attr:`Broker.url <mooq.testing.broker.Broker.url>`."""
        return self._call(lambda: self.broker.url)

    @property
    def arguments(self) -> Arguments:
        """The arguments of :func:`mooq.connect` for this broker, for code with an event loop."""
        return self._call(lambda: self.broker.arguments)

    @property
    def host(self) -> str:
        """The broker's host."""
        return self.arguments["host"]

    @property
    def port(self) -> int:
        """The broker's port."""
        return self.arguments["port"]

    @property
    def virtual_host(self) -> str:
        """The virtual host of this test."""
        return self.broker.virtual_host

    @property
    def recorded(self) -> Recorder:
        """Like :attr:`Broker.recorded <mooq.testing.broker.Broker.recorded>`."""
        return self.broker.recorded

    @property
    def faults(self) -> Faults:
        """Like :attr:`Broker.faults <mooq.testing.broker.Broker.faults>`."""
        return self._call(lambda: self.broker.faults)

    def idle(self, *, timeout: float = IDLE_TIMEOUT) -> tuple[str, ...]:
        """Like :meth:`Broker.idle <mooq.testing.broker.Broker.idle>`, but blocks."""
        return self._wait(self.broker.idle(timeout=timeout))

    def wait_for(
        self,
        event: Event | str,
        *,
        exchange_name: str | None = None,
        routing_key: str | None = None,
        queue_name: str | None = None,
        matching: Callable[[Record], bool] | None = None,
        timeout: float = IDLE_TIMEOUT,
    ) -> Record:
        """Like :meth:`Broker.wait_for <mooq.testing.broker.Broker.wait_for>`, but blocks."""
        return self._wait(
            self.broker.wait_for(
                event,
                exchange_name=exchange_name,
                routing_key=routing_key,
                queue_name=queue_name,
                matching=matching,
                timeout=timeout,
            )
        )

    def advance(self, seconds: float) -> None:
        """Like :meth:`Broker.advance <mooq.testing.broker.Broker.advance>`, but blocks."""
        self._wait(self.broker.advance(seconds))

    def end(self, stop: asyncio.Event) -> None:
        """Set an event in its thread, which ends the thread."""
        self._loop.call_soon_threadsafe(stop.set)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the broker's event loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _call(self, verb: Callable[[], T]) -> T:
        """Run a function in the broker's event loop, and return its result."""

        async def call() -> T:
            return verb()

        return self._wait(call())


@contextmanager
def running_in_thread(running: AbstractAsyncContextManager[Broker]) -> Iterator[SyncBroker]:
    """Run a broker in a thread for the block, such as ``broker.running()``.

    Raises the exceptions of that.
    """
    began: Future[tuple[SyncBroker, asyncio.Event]] = Future()
    ended: Future[None] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        async with running as broker:
            began.set_result((SyncBroker(broker, asyncio.get_running_loop()), stop))
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            (ended if began.done() else began).set_exception(error)
        else:
            ended.set_result(None)

    thread = Thread(target=work, name="mooq broker", daemon=True)
    thread.start()
    try:
        broker, stop = began.result()
        try:
            yield broker
        finally:
            broker.end(stop)
            ended.result()
    finally:
        thread.join()
