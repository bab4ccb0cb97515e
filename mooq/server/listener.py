"""Listeners for AMQP clients: in the running event loop, or in a separate thread."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, TypeVar

from mooq.basics.sockets import has_input, read_all
from mooq.server import forks
from mooq.server.driver import BrokerDriver
from mooq.server.protocol import ClientProtocol

if TYPE_CHECKING:
    from mooq.amqp.inspection import ByteTap
    from mooq.broker.broker import Broker

T = TypeVar("T")

LOGGER = logging.getLogger("mooq.server")

BACKLOG = 1024
"""The maximum number of connections waiting to be accepted."""

_GRACE = 0.5  # seconds to send the remaining data when the server closes
_SSL_GRACE = 1.0


class Listener:
    """A listening socket in the running event loop, which serves a broker to AMQP clients.

    From then on, only that loop's thread may use the broker, unless ``locked`` returns a lock for
    it. With ``ssl``, clients connect with TLS. ``new_tap`` returns an observer for each connection.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl: SSLContext | None = None,
        enforces_heartbeats: bool = True,
        locked: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
        new_tap: Callable[[], ByteTap] | None = None,
    ) -> None:
        self._new_tap = new_tap
        self._broker = broker
        self._locked = locked
        self._socket: socket.socket | None = None
        self._ssl = ssl
        self._enforces_heartbeats = enforces_heartbeats
        self._server: asyncio.Server | None = None
        self.host = host
        self.port: int = port
        self.driver: BrokerDriver

    def bind(self) -> None:
        """Bind the port, so that clients can connect before :meth:`start`. Raises ``OSError``."""
        self._socket = socket.create_server((self.host, self.port), backlog=BACKLOG)
        self.port = self._socket.getsockname()[1]

    async def start(self) -> None:
        """Start listening, and set ``port`` to the actual port. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        self.driver = BrokerDriver(self._broker, loop, self._locked)
        with self.driver.access:
            self.driver.advance()
        where: dict[str, Any] = (
            {"host": self.host, "port": self.port}
            if self._socket is None
            else {"sock": self._socket}
        )
        self._server = await loop.create_server(
            lambda: ClientProtocol(
                self.driver, self._enforces_heartbeats, self._new_tap and self._new_tap()
            ),
            **where,
            ssl=self._ssl,
            ssl_shutdown_timeout=_SSL_GRACE if self._ssl else None,
            backlog=BACKLOG,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        forks.close_in_children(self)
        if not is_loopback(self.host):
            LOGGER.warning(
                "the in-memory broker is listening on %s; anyone who can reach it can connect",
                self.host,
            )

    def descriptors(self) -> Iterable[int]:
        """Return the file descriptors of the open sockets."""
        if self._server is not None:
            yield from (one.fileno() for one in self._server.sockets)
            yield from (protocol.fileno() for protocol in self.driver.protocols.values())

    async def read_all(self) -> None:
        """Return when everything that clients sent before the call has been handled."""
        await read_all(self._is_behind)

    def _is_behind(self) -> bool:
        if self._server is None:
            return False
        protocols = list(self.driver.protocols.values())
        sockets = [one.fileno() for one in self._server.sockets]
        sockets += [one.fileno() for one in protocols if one.is_reading]
        return any(one.is_behind for one in protocols) or has_input(sockets)

    async def close(self) -> None:
        """Stop listening and close every connection, as RabbitMQ does when it stops."""
        server, self._server = self._server, None
        if server is None:
            return
        for one in server.sockets:
            with contextlib.suppress(OSError):  # a forked child must not continue to accept
                one.shutdown(socket.SHUT_RDWR)
        server.close()
        forks.unregister(self)
        protocols = list(self.driver.protocols.values())
        for protocol in protocols:
            protocol.end()
        if protocols:
            closed = [protocol.closed for protocol in protocols]
            await asyncio.wait(closed, timeout=_GRACE)
            for protocol in protocols:
                protocol.abort()
            await asyncio.wait(closed)
        self.driver.close()


class ListenerThread:
    """A :class:`Listener` in a separate thread, for clients that block their own.

    Only that thread may use the broker; other threads use :meth:`call`.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="mooq server", daemon=True)
        self._started: Future[None] = Future()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._listener.port

    def start(self) -> None:
        """Return when the thread is listening. Raises ``OSError`` if it cannot."""
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join()
            raise

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        try:
            await self._listener.start()
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        await self._stop.wait()
        await self._listener.close()

    def call(self, function: Callable[[Broker], T]) -> T:
        """Call a function with the broker in the thread, and return its result.

        Its effects have been sent to the clients by then. Raises what the function raised.
        """
        answer: Future[T] = Future()

        def work() -> None:
            driver = self._listener.driver
            try:
                with driver.access:
                    driver.advance()
                    result = function(driver.broker)
                    driver.flush()
            except Exception as error:  # noqa: BLE001 - raised to the caller
                answer.set_exception(error)
            else:
                answer.set_result(result)

        self.loop.call_soon_threadsafe(work)
        return answer.result()

    def close(self) -> None:
        """Stop listening and end the thread. Closing twice is safe."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()


def is_loopback(host: str) -> bool:
    """Return whether a host can be reached only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
