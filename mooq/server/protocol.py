"""TCP connections: reading, one write per iteration of the event loop, and backpressure."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from asyncio.trsock import TransportSocket
from typing import TYPE_CHECKING, cast

from mooq.broker import refusals
from mooq.server.deadline import DeadlineTimer
from mooq.server.driver import BrokerDriver
from mooq.server.session import Session

if TYPE_CHECKING:
    from mooq.amqp.inspection import ByteTap

LOGGER = logging.getLogger("mooq.server")

WRITE_BUFFER = 1 << 18
"""Unsent bytes above which deliveries to a client are paused."""


class ClientProtocol(asyncio.Protocol):
    """A client's TCP connection to a broker."""

    def __init__(
        self, driver: BrokerDriver, enforces_heartbeats: bool, tap: ByteTap | None = None
    ) -> None:
        self._tap = tap
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        self._enforces_heartbeats = enforces_heartbeats
        self._timer: DeadlineTimer = DeadlineTimer(self._loop, self._on_time)
        self._session: Session
        self._transport: asyncio.Transport
        self._is_reading = True
        self.is_behind: bool = False
        """Whether it has read data that it will handle in the next iteration of the loop."""
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start a session."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket: TransportSocket = transport.get_extra_info("socket")
        # asyncio does this only for sockets created with a protocol number.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(WRITE_BUFFER)
        self._session = Session(
            self._driver, self._transport.abort, self._loop.time(), self._enforces_heartbeats
        )
        self._driver.protocols[self._session] = self
        self._timer.set(self._session.wire.next_deadline())

    def data_received(self, data: bytes) -> None:
        """Handle the requests in these bytes."""
        with self._driver.access:
            if self._tap is not None:
                data = self._tap.from_client(data)
            self._receive(data)
            self._driver.flush()

    def _receive(self, data: bytes) -> None:
        wire = self._session.wire
        try:
            wire.receive(data, self._driver.advance())
        except Exception:
            LOGGER.exception("the in-memory broker failed; it closes the connection")
            wire.fail()
        self._driver.changed(self._session)

    def flush(self) -> None:
        """Send the session's output, and pause or resume reading."""
        session, transport = self._session, self._transport
        wire = session.wire
        data = session.data_to_send()
        if data:
            self._write(data)
        if wire.is_over:
            transport.close()
        elif session.is_waiting or wire.is_held:
            self._read(False)
            if not session.is_congested:
                self._proceed_soon()
        else:
            self._read(not wire.channels.is_blocked)
            if wire.has_input and not wire.channels.is_blocked:
                self._proceed_soon()
        self._timer.set(self._session.wire.next_deadline())

    def _write(self, data: bytes) -> None:
        if self._tap is not None:
            data = self._tap.to_client(data)
        self._transport.write(data)

    def _read(self, is_reading: bool) -> None:
        if is_reading != self._is_reading and not self._transport.is_closing():
            self._is_reading = is_reading
            if is_reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _proceed_soon(self) -> None:
        self.is_behind = True
        self._loop.call_soon(self._proceed)

    def _proceed(self) -> None:
        self.is_behind = False
        if not self._session.is_congested and not self._transport.is_closing():
            with self._driver.access:
                self._session.proceed()
                self._receive(b"")
                self._driver.flush()

    def pause_writing(self) -> None:
        """Pause requests and deliveries, because the client is not reading."""
        self._session.congest()

    def resume_writing(self) -> None:
        """Continue, because the client has read."""
        self._session.is_congested = False
        self._proceed()

    def _on_time(self) -> None:
        with self._driver.access:
            self._session.wire.advance(self._loop.time())
            self._driver.changed(self._session)
            self._driver.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the session, and shut down the socket in case a forked child still has it."""
        self._timer.cancel()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._driver.access:
            self._session.wire.hang_up()
            self._driver.protocols.pop(self._session, None)
            self._driver.flush()
        if self._tap is not None:
            self._tap.close()
        if not self.closed.done():
            self.closed.set_result(None)

    @property
    def is_reading(self) -> bool:
        """Whether it is reading: neither closing nor paused."""
        return self._is_reading and not self._transport.is_closing()

    def fileno(self) -> int:
        """Return the socket's file descriptor."""
        return self._socket.fileno()

    def end(self) -> None:
        """Tell the client that the broker is stopping, and close the connection."""
        with self._driver.access:
            self._session.wire.close(refusals.shutdown())
            self._driver.drain()
        self._write(self._session.data_to_send())
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once, without sending the remaining data."""
        self._transport.abort()
