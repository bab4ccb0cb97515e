"""The broker of a test that has no event loop: the same, without ``await``."""

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

    It is served by an event loop in a thread of its own, so that clients may block.
    """

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self.broker: Broker = broker
        self._loop = loop

    @property
    def backend(self) -> Backend:
        """Name of the broker: ``"in_memory"`` or ``"rabbit"``."""
        return self.broker.backend

    @property
    def url(self) -> URL:
        """As :attr:`Broker.url <mooq.testing.broker.Broker.url>`."""
        return self._call(lambda: self.broker.url)

    @property
    def arguments(self) -> Arguments:
        """The arguments of :func:`mooq.connect` that lead here, for code with an event loop."""
        return self._call(lambda: self.broker.arguments)

    @property
    def host(self) -> str:
        """The host by which it is reached."""
        return self.arguments["host"]

    @property
    def port(self) -> int:
        """The port by which it is reached."""
        return self.arguments["port"]

    @property
    def virtual_host(self) -> str:
        """Its virtual host, of this test alone."""
        return self.broker.virtual_host

    @property
    def recorded(self) -> Recorder:
        """As :attr:`Broker.recorded <mooq.testing.broker.Broker.recorded>`."""
        return self.broker.recorded

    @property
    def faults(self) -> Faults:
        """As :attr:`Broker.faults <mooq.testing.broker.Broker.faults>`."""
        return self._call(lambda: self.broker.faults)

    def idle(self, *, timeout: float = IDLE_TIMEOUT) -> tuple[str, ...]:
        """As :meth:`Broker.idle <mooq.testing.broker.Broker.idle>`, blocking."""
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
        """As :meth:`Broker.wait_for <mooq.testing.broker.Broker.wait_for>`, blocking."""
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
        """As :meth:`Broker.advance <mooq.testing.broker.Broker.advance>`, blocking."""
        self._wait(self.broker.advance(seconds))

    def end(self, stop: asyncio.Event) -> None:
        """Set an event of its thread, which ends it."""
        self._loop.call_soon_threadsafe(stop.set)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns that runs in the broker's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _call(self, verb: Callable[[], T]) -> T:
        """Return what a function returns that runs in the broker's event loop."""

        async def call() -> T:
            return verb()

        return self._wait(call())


@contextmanager
def running_in_thread(running: AbstractAsyncContextManager[Broker]) -> Iterator[SyncBroker]:
    """Run a broker in a thread within the block, such as ``broker.running()``.

    Raises what that raises.
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
