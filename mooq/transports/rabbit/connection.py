"""TCP connections through aiormq, with limits and state that aiormq does not offer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from typing import Any
from urllib.parse import urlencode

import aiormq
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from pamqp.commands import Connection as ConnectionMethods
from yarl import URL

from mooq.basics.address import Address
from mooq.errors import Lost
from mooq.transports.base import GOODBYE_TIMEOUT
from mooq.transports.options import ConnectionOptions
from mooq.transports.rabbit.answers import answered, while_open

MOST_UNSENT = 2**20  # bytes that may wait for the network before publishers wait

LOGGED_BY_MOOQ = (
    "error when creating transport: %r",  # logged for each attempt while a broker boots
    "Connection %r was blocked by: %r",
    "Connection %r was unblocked",
)


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether to keep an aiormq log line; mooq itself logs that a peer disconnected."""
    broke_off = record.exc_info and isinstance(record.exc_info[1], aiormq.AMQPConnectionError)
    return not broke_off and record.msg not in LOGGED_BY_MOOQ


logging.getLogger("aiormq.connection").addFilter(_is_news)


class AmqpConnection:
    """A connection to RabbitMQ whose socket can be inspected and closed.

    aiormq writes without waiting for the network, even while RabbitMQ has blocked the connection,
    so data for a stalled peer would pile up. Publishers therefore check first.
    """

    def __init__(self, address: Address, purpose: str, options: ConnectionOptions) -> None:
        factory = TLSTransportFactory() if address.ssl else TCPTransportFactory()
        self._sockets = _Sockets(factory)
        self.amqp: aiormq.Connection = _Negotiating(
            options,
            _url(address, f"{options.client_name} {purpose}", options.heartbeat),
            context=address.ssl if isinstance(address.ssl, ssl.SSLContext) else None,
            transport_factory=self._sockets,
            client_properties={**options.client_properties, "mooq": True},
        )
        # aiormq reads "%2F" as "/", even in a name that contains these three characters.
        self.amqp.vhost = address.virtual_host

    @property
    def is_closed(self) -> bool:
        """Whether it is closed, or not open yet."""
        return self.amqp.is_closed

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self.amqp.is_opened

    @property
    def channel_max(self) -> int:
        """The negotiated maximum of AMQP channels."""
        return self.amqp.connection_tune.channel_max

    @property
    def is_blocked(self) -> bool:
        """Whether RabbitMQ has stopped reading (its extension connection.blocked)."""
        if self.is_closed:
            return False
        ready = self.amqp.ready()  # the only way to tell; returns at once if not blocked
        try:
            ready.send(None)
        except StopIteration:
            return False
        ready.close()
        return True

    @property
    def is_full(self) -> bool:
        """Whether too much data waits for the network to write more."""
        writer = self._sockets.writer
        return (
            not self.is_closed
            and writer is not None
            and writer.transport.get_write_buffer_size() > MOST_UNSENT
        )

    async def drain(self) -> None:
        """Return when RabbitMQ is reading, and the network has taken most of the written data.

        Also returns when the connection is closed.
        """
        await answered(while_open(self.amqp, self.amqp.ready()))
        if self.is_full and self._sockets.writer is not None:
            await answered(self._sockets.writer.drain())

    async def open(self) -> None:
        """Connect. Cleans up if cancelled."""
        try:
            await self.amqp.connect()
            await self.amqp.ready()
        except BaseException:
            await asyncio.sleep(0)  # its writer closes the socket, but only after it has started
            await self.amqp.close()
            raise

    def abandon(self) -> None:
        """Close the socket without the event loop, which is closed."""
        if self._sockets.writer is not None:
            sock = self._sockets.writer.get_extra_info("socket")
            # It may be closed by now, and uvloop's cannot be shut down.
            with contextlib.suppress(OSError, AttributeError, TypeError):
                sock.shutdown(socket.SHUT_RDWR)

    def abort(self) -> None:
        """Close the socket."""
        if self._sockets.writer is not None:
            self._sockets.writer.transport.abort()

    async def close(self) -> None:
        """Close the connection; close the socket if a silent peer does not answer."""
        closing = asyncio.ensure_future(answered(self.amqp.close()))
        done, _ = await asyncio.wait([closing], timeout=GOODBYE_TIMEOUT)
        if not done:
            self.abort()  # otherwise it would wait until everything is sent
        with contextlib.suppress(Lost):
            await closing


class _Negotiating(aiormq.Connection):
    """A connection that asks for a limited number of channels; aiormq asks for all."""

    def __init__(self, options: ConnectionOptions, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._options = options

    async def _rpc(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        answer = await super()._rpc(*args, **kwargs)
        if isinstance(answer, ConnectionMethods.Tune):
            answer.channel_max = self._options.channels_of(answer.channel_max or 0)
        return answer


class _Sockets(aiormq.TransportFactory):
    """Opens a socket like aiormq, and keeps the writing end."""

    def __init__(self, factory: aiormq.TransportFactory) -> None:
        self.writer: StreamWriter | None = None
        self._factory = factory

    async def create(self, url: URL, **options: Any) -> tuple[StreamReader, StreamWriter]:
        reader, self.writer = await self._factory.create(url, **options)
        return reader, self.writer


def _url(address: Address, name: str, heartbeat: int) -> URL:
    """Return the URL for aiormq. All parts are escaped here: yarl leaves "%2F" unchanged."""
    options = urlencode({"name": name, "heartbeat": heartbeat})
    url = f"{address.url}?{options}"
    return URL(url.replace("amqp:", "amqps:", 1) if address.ssl else url, encoded=True)


async def close_all(*connections: AmqpConnection | None) -> None:
    """Close connections concurrently."""
    await asyncio.gather(*(one.close() for one in connections if one is not None))
