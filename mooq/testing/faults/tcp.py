"""The network in front of a broker: a TCP proxy on 127.0.0.1.

It passes on the broker's data frame by frame (AMQP 0-9-1 §4.2.3), to recognise confirms and
deliveries. Data that is no frame, such as a refused protocol header, is passed on unchanged.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeAlias

from mooq.amqp.frames import FRAME_OVERHEAD, METHOD
from mooq.amqp.inspection import ByteTap
from mooq.basics.sockets import has_input, read_all
from mooq.testing.arguments import Arguments
from mooq.testing.faults.network import Faults, Kind, Link, carried_out
from mooq.testing.faults.refusals import Refuser
from mooq.transports.event_loops import running_loop

LOOPBACK = "127.0.0.1"
CHUNK = 2**16

IDS = struct.Struct(">HH")  # class and method, in a method frame behind type, channel and size
IDS_AT = 7
METHODS: dict[
    tuple[int, ...], Kind
] = {  # class and method, as the server sends them (AMQP 0-9-1 §1.8.3; RabbitMQ's confirms)
    (60, 50): Kind.CONFIRM,  # a returned message is confirmed right after it
    (60, 60): Kind.DELIVERY,
    (60, 80): Kind.CONFIRM,
    (60, 120): Kind.CONFIRM,
}

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Route:
    """One TCP connection through the network, passed on to the broker by another connection.

    The tap is next to the broker: it sees what arrives there, and what leaves there.
    """

    def __init__(
        self, faults: Faults, client: Streams, broker: Streams, tap: ByteTap | None = None
    ) -> None:
        self.to_broker: Link = Link(faults)
        self.to_client: Link = Link(faults)
        self.tap: ByteTap | None = tap
        self._faults = faults
        self._client = client
        self._broker = broker
        self._passing: asyncio.Task[None] | None = None
        self._has_ended = False
        self._arriving: list[bytes] = []
        """Frames to write to the broker together."""
        self._refuser = Refuser(faults.script, self._answer, self._arriving.append, self.cut)

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
        """Close it on both sides; data in transit is lost."""
        self._faults.routes.discard(self)
        self.to_broker.close()
        self.to_client.close()
        if self._passing is not None:
            self._passing.cancel()
        for _, writer in (self._client, self._broker):
            writer.transport.abort()
        if self.tap is not None:
            self.tap.close()

    def half_close(self) -> None:
        """Close it towards the client, which may continue to send."""
        self.to_client.close()
        self.to_broker.flush()
        end(self._client[1])

    @property
    def is_reading(self) -> bool:
        """Whether it is reading from the client."""
        reader, writer = self._client
        return not (reader.at_eof() or self.to_broker.is_full or writer.is_closing())

    def fileno(self) -> int:
        """Return the file descriptor of the client's socket."""
        descriptor: int = self._client[1].get_extra_info("socket").fileno()
        return descriptor

    def hurry(self) -> None:
        """Pass on data that was held back."""
        self._refuser.heal()
        self._flush()
        self.to_broker.hurry()
        self.to_client.hurry()

    def inject(self, data: bytes) -> bool:
        """Send frames to the broker that the client does not know; return whether they are sent."""
        writer = self._broker[1]
        if self._has_ended or writer.is_closing():
            return False
        writer.write(data)
        return True

    def damaged(self, data: bytes) -> bytes:
        """Return the part of a frame that arrives; a network failure damages no frame."""
        return data

    async def _pass(self) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pass_requests())
            both.create_task(self._pass_answers())

    async def _pass_requests(self) -> None:
        reader, writer = self._client[0], self._broker[1]
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                for piece in self._faults.pieces(data):
                    self.to_broker.send(partial(self._request, piece), len(piece))
                await self.to_broker.room()
                await writer.drain()
        await self._pass_end(self.to_broker, writer, None)
        self._has_ended = True

    def _request(self, data: bytes) -> None:
        """Handle bytes from the client."""
        self._refuser.from_client(data)
        self._flush()

    def _flush(self) -> None:
        """Write data that has arrived at the broker."""
        if self._arriving:
            data = b"".join(self._arriving)
            self._arriving.clear()
            if self.tap is not None:
                data = self.tap.from_client(data)
            if data:
                self._broker[1].write(data)

    async def _pass_answers(self) -> None:
        reader, writer = self._broker[0], self._client[1]
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if self.tap is not None:
                    data = self.tap.to_client(data)
                frames = self._refuser.to_client(data)
                self._flush()
                if self._faults.is_clear and self.to_client.is_empty:
                    writer.write(b"".join(frames))
                else:
                    for frame in frames:
                        self._answer(frame)
                await self.to_client.room()
                await writer.drain()
        if rest := self._refuser.rest():
            self._answer(rest)
        await self._pass_end(self.to_client, writer, Kind.REST)

    def _answer(self, frame: bytes) -> None:
        """Pass a frame on to the client."""
        kind, writer = kind_of(frame), self._client[1]
        for piece in self._faults.pieces(self.damaged(frame)):
            self.to_client.send(partial(writer.write, piece), len(piece), kind)
            kind = Kind.REST

    async def _pass_end(self, link: Link, writer: asyncio.StreamWriter, kind: Kind | None) -> None:
        arrived = asyncio.Event()
        link.send(arrived.set, kind=kind)
        await arrived.wait()
        end(writer)


class Proxy(Faults):
    """Listens in place of a broker, unless it has vanished.

    ``find`` returns the broker's host and port when a client connects. ``new_tap`` returns the tap
    for a connection.
    """

    def __init__(
        self,
        target: Arguments,
        route: type[Route] = Route,
        *,
        find: Callable[[], tuple[str, int]] | None = None,
        new_tap: Callable[[], ByteTap | None] = lambda: None,
    ) -> None:
        self._find = find or (lambda: (target["host"], target["port"]))
        self._new_tap = new_tap
        self._route = route
        self._loop = asyncio.get_running_loop()
        self._listener = bound(0)
        self._listener.listen()
        self._port: int = self._listener.getsockname()[1]
        super().__init__({**target, "broker": "rabbit", "host": LOOPBACK, "port": self._port})
        self._serving: asyncio.Task[None] | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._opening: set[socket.socket] = set()
        """Clients whose connection to the broker is not open yet."""
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
            # It keeps its port; a socket that is bound but does not listen accepts no connection.
            self._listener = bound(self._port)
        super().vanish()

    @carried_out
    def heal(self) -> None:
        if self.has_vanished:
            self._listener.listen()
            self._serve()
        super().heal()

    async def read_all(self) -> None:
        """Return when everything that clients sent before the call has been read."""
        await read_all(self._is_behind)

    def _is_behind(self) -> bool:
        if self._opening:
            return True
        reading = [] if self.has_vanished else [self._listener.fileno()]
        reading += [route.fileno() for route in self.routes if route.is_reading]
        return has_input(reading)

    async def close(self) -> None:
        """Close everything."""
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
            # Do it now: another socket may get its number before the task is done.
            asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._listener)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._opening.add(client)
            passing = asyncio.create_task(self._pass_on(client))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)
            # Its transport has closed it by then, unless the task was ended before there was one.
            passing.add_done_callback(partial(self._close_after, client))

    async def _pass_on(self, client: socket.socket) -> None:
        try:
            streams = await asyncio.open_connection(sock=client)
            try:
                broker = await asyncio.open_connection(*self._find())
            except BaseException as error:
                streams[1].transport.abort()
                if isinstance(error, OSError):
                    return
                raise
        finally:
            self._opening.discard(client)
        await self._route(self, streams, broker, self._new_tap()).run()

    def _close_after(self, client: socket.socket, _: asyncio.Task[None]) -> None:
        self._opening.discard(client)  # the task may have been ended before it began
        client.close()


def bound(port: int) -> socket.socket:
    """Return a socket bound to a port on 127.0.0.1 that does not listen yet."""
    listener = socket.socket()
    if os.name == "posix":  # on Windows the option lets two sockets share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    return listener


def kind_of(data: bytes) -> Kind:
    """Return the kind of a frame."""
    if data[0] != METHOD or len(data) < FRAME_OVERHEAD + IDS.size:
        return Kind.REST
    return METHODS.get(IDS.unpack_from(data, IDS_AT), Kind.ANSWER)


def end(writer: asyncio.StreamWriter) -> None:
    """Send the end of the connection; the other side may continue to send."""
    with suppress(OSError):  # it is closed already
        if not writer.is_closing():
            writer.write_eof()


class Network:
    """A proxy in its own thread, for clients that block their thread or have no event loop."""

    def __init__(self, new_proxy: Callable[[], Proxy]) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._thread = Thread(target=self.loop.run_forever, name="mooq network", daemon=True)
        self._thread.start()

        async def begin() -> Proxy:
            return new_proxy()

        try:
            self.proxy: Proxy = asyncio.run_coroutine_threadsafe(begin(), self.loop).result()
        except BaseException:
            self._end()
            raise

    async def close(self) -> None:
        """Stop the proxy and its thread."""
        try:
            await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(self.proxy.close(), self.loop)
            )
        finally:
            self._end()

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
