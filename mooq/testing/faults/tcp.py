"""The network before a RabbitMQ: a TCP proxy on the loopback interface.

It reads RabbitMQ's side frame by frame (AMQP 0-9-1 §4.2.3), to know a confirm and a delivery when
it sees one; what is no frame, such as a refused protocol header, it passes on as it is.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from threading import Thread
from typing import TypeAlias

from mooq.testing.arguments import Arguments
from mooq.testing.faults.network import Faults, Kind, Link, Route, carried_out
from mooq.transports.event_loops import running_loop

LOOPBACK = "127.0.0.1"
CHUNK = 2**16

FRAME_HEADER = struct.Struct(">BHI")  # type, channel, size; then the payload and an end marker
METHOD_FRAME = 1
METHOD = struct.Struct(">HH")
METHODS: dict[
    tuple[int, ...], Kind
] = {  # class and method, as the server sends them (AMQP 0-9-1 §1.8.3; RabbitMQ's confirms)
    (60, 50): Kind.CONFIRM,  # a message that is returned is confirmed right behind
    (60, 60): Kind.DELIVERY,
    (60, 80): Kind.CONFIRM,
    (60, 120): Kind.CONFIRM,
}

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TCPRoute(Route):
    """One TCP connection, passed on to RabbitMQ by another."""

    def __init__(self, faults: Faults, client: Streams, broker: Streams) -> None:
        super().__init__(faults)
        self._faults = faults
        self._client = client
        self._broker = broker
        self._passing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Pass on what both sides send, until both have ended."""
        self._faults.routes.add(self)
        self._passing = asyncio.create_task(self._pass())
        try:
            await asyncio.wait([self._passing])
            if not self._passing.cancelled():
                self._passing.result()
        finally:
            self.cut()

    def cut(self) -> None:
        self._faults.routes.discard(self)
        self.lose()
        if self._passing is not None:
            self._passing.cancel()
        for _, writer in (self._client, self._broker):
            writer.transport.abort()

    def end(self) -> None:
        end(self._client[1])

    def damaged(self, data: bytes) -> bytes:
        """Return what arrives of a frame; a network that only fails damages none."""
        return data

    async def _pass(self) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pass_requests())
            both.create_task(self._pass_answers())

    async def _pass_requests(self) -> None:
        reader, writer = self._client[0], self._broker[1]
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                await self._pass_on(data, self.to_broker, writer, None)
        await self._pass_end(self.to_broker, writer, None)

    async def _pass_answers(self) -> None:
        reader, writer = self._broker[0], self._client[1]
        with suppress(ConnectionError):
            while data := await frame(reader):
                await self._pass_on(self.damaged(data), self.to_client, writer, kind_of(data))
        await self._pass_end(self.to_client, writer, Kind.REST)

    async def _pass_on(
        self, data: bytes, link: Link, writer: asyncio.StreamWriter, kind: Kind | None
    ) -> None:
        for piece in self._faults.pieces(data):
            link.send(partial(writer.write, piece), len(piece), kind)
            kind = None if kind is None else Kind.REST
        await link.room()
        await writer.drain()

    async def _pass_end(self, link: Link, writer: asyncio.StreamWriter, kind: Kind | None) -> None:
        arrived = asyncio.Event()
        link.send(arrived.set, kind=kind)
        await arrived.wait()
        end(writer)


class Proxy(Faults):
    """Listens in place of a RabbitMQ, unless it has vanished."""

    def __init__(self, target: Arguments, route: type[TCPRoute] = TCPRoute) -> None:
        self._target = target
        self._route = route
        self._loop = asyncio.get_running_loop()
        self._listener = bound(0)
        self._listener.listen()
        self._port: int = self._listener.getsockname()[1]
        super().__init__({**target, "host": LOOPBACK, "port": self._port})
        self._serving: asyncio.Task[None] | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._serve()

    def _carry_out(self, verb: Callable[[], None]) -> None:
        if running_loop() is self._loop:
            verb()
            return

        async def carry_out() -> None:
            verb()

        asyncio.run_coroutine_threadsafe(carry_out(), self._loop).result()

    @carried_out
    def vanish(self) -> None:
        if not self.has_vanished:
            self._stop_listening()
            # Nobody else gets its port; what is bound, and does not listen, takes nobody.
            self._listener = bound(self._port)
        super().vanish()

    @carried_out
    def heal(self) -> None:
        if self.has_vanished:
            self._listener.listen()
            self._serve()
        super().heal()

    async def close(self) -> None:
        """End everything."""
        if self.has_vanished:
            self._listener.close()
        else:
            self._stop_listening()
        self.cut()
        for passing in self._passing:
            passing.cancel()
        under_way = [*self._passing, *([self._serving] if self._serving is not None else [])]
        if under_way:
            await asyncio.wait(under_way)

    def _serve(self) -> None:
        self._listener.setblocking(False)
        self._serving = asyncio.create_task(self._accept())

    def _stop_listening(self) -> None:
        assert self._serving is not None
        self._serving.cancel()
        with suppress(NotImplementedError):  # Windows' event loop has none
            # Now, for another socket may have its number before the task is done.
            asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._listener)
            passing = asyncio.create_task(self._pass_on(client))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)
            # Its transport has closed it by then, unless the task was ended before there was one.
            passing.add_done_callback(partial(close_after, client))

    async def _pass_on(self, client: socket.socket) -> None:
        streams = await asyncio.open_connection(sock=client)
        try:
            broker = await asyncio.open_connection(self._target["host"], self._target["port"])
        except BaseException as error:
            streams[1].transport.abort()
            if isinstance(error, OSError):
                return
            raise
        await self._route(self, streams, broker).run()


def bound(port: int) -> socket.socket:
    """Return a socket that has a port of the loopback interface, and does not listen yet."""
    listener = socket.socket()
    if os.name == "posix":  # elsewhere the option lets two sockets share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    return listener


def close_after(client: socket.socket, _: asyncio.Task[None]) -> None:
    """Close a client's socket, now that its task is done."""
    client.close()


async def frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next frame, or what is left of one, or nothing at the end."""
    data = b""
    try:
        data = await reader.readexactly(FRAME_HEADER.size)
        data += await reader.readexactly(FRAME_HEADER.unpack(data)[2] + 1)
    except asyncio.IncompleteReadError as cut_short:
        data += cut_short.partial
    return data


def kind_of(data: bytes) -> Kind:
    """Return what a frame says."""
    if data[0] != METHOD_FRAME or len(data) < FRAME_HEADER.size + METHOD.size:
        return Kind.REST
    return METHODS.get(METHOD.unpack_from(data, FRAME_HEADER.size), Kind.ANSWER)


def end(writer: asyncio.StreamWriter) -> None:
    """Let the other side read the end; it may go on sending."""
    with suppress(OSError):  # it has ended all of it
        if not writer.is_closing():
            writer.write_eof()


@asynccontextmanager
async def network_before(target: Arguments) -> AsyncIterator[Faults]:
    """Put a proxy before a RabbitMQ, in a thread of its own.

    So it passes on what a client sends that blocks the test's event loop, or has none.
    """
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="mooq network", daemon=True)
    thread.start()

    async def begin() -> Proxy:
        return Proxy(target)

    try:
        proxy = asyncio.run_coroutine_threadsafe(begin(), loop).result()
        try:
            yield proxy
        finally:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(proxy.close(), loop))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
