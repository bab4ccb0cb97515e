"""Conversations about RabbitMQ's rules, and RabbitMQ's recorded replies.

``rules.json`` has the replies of RabbitMQ 3.10.8, 4.0.5 and 4.3.6. Placeholders replace generated
names and times.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pamqp import commands, frame, header
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Confirm, Exchange, Queue, Tx

from tests.conversations.commits import COMMITS
from tests.conversations.found import FOUND
from tests.conversations.locators import LOCATORS
from tests.conversations.matching import MATCHING
from tests.conversations.quorum_queues import QUORUM_QUEUES
from tests.conversations.steps import PAUSE, REPLY, declare, publish
from tests.conversations.unnoticed import LIMITED, PERMISSIONS, UNNOTICED

RECORD = Path(__file__).with_name("rules.json")
REFUSED = {"stream"}
"""Conversations about features that the in-memory broker lacks and refuses by name."""
GENERATED = {r"ctag-[\w.-]+": "CTAG", r"amq\.gen-[\w-]+": "GEN", r"reply-to\.[\w.+/=-]+": "GIVEN"}
"""Patterns of names that a broker generates, and their placeholders."""
CONVERSATIONS: dict[str, list[Any]] = {
    **COMMITS,
    **FOUND,
    **MATCHING,
    **QUORUM_QUEUES,
    **UNNOTICED,
    **LOCATORS,
    "declare twice counts": [declare(), publish("", "w"), publish("", "w"), declare()],
    "passive exclusive": [declare(exclusive=True), Queue.Declare(queue="w", passive=True)],
    "declare nowait": [declare(nowait=True), Queue.Declare(queue="w", passive=True)],
    "args differ ttl": [declare(arguments={"x-message-ttl": 5}), declare()],
    "bad arg": [declare(arguments={"x-message-ttl": -1})],
    "bad arg type": [declare(arguments={"x-max-length": "a"})],
    "unknown arg ok": [declare(arguments={"x-foo": 1}), declare()],
    "queue.delete if_empty": [declare(), publish("", "w"), Queue.Delete(queue="w", if_empty=True)],
    "purge missing": [Queue.Purge(queue="nope")],
    "delete missing": [Queue.Delete(queue="nope")],
    "bind missing exchange": [declare(), Queue.Bind(queue="w", exchange="nox", routing_key="k")],
    "bind default": [declare(), Queue.Bind(queue="w", exchange="", routing_key="k")],
    "unbind missing": [declare(), Queue.Unbind(queue="w", exchange="amq.direct", routing_key="zz")],
    "exchange bad type": [Exchange.Declare(exchange="xx", exchange_type="weird")],
    "exchange declare amq.direct": [
        Exchange.Declare(exchange="amq.direct", exchange_type="direct", durable=True)
    ],
    "exchange declare amq.direct transient": [
        Exchange.Declare(exchange="amq.direct", exchange_type="direct")
    ],
    "exchange declare default": [Exchange.Declare(exchange="", exchange_type="direct")],
    "exchange delete missing": [Exchange.Delete(exchange="nox")],
    "exchange delete amq": [Exchange.Delete(exchange="amq.topic")],
    "exchange passive missing": [
        Exchange.Declare(exchange="nox", exchange_type="direct", passive=True)
    ],
    "exchange durable differs": [
        Exchange.Declare(exchange="xd", exchange_type="direct", durable=True),
        Exchange.Declare(exchange="xd", exchange_type="direct"),
    ],
    "exchange auto_delete": [
        Exchange.Declare(exchange="xa", exchange_type="direct", auto_delete=True),
        declare(),
        Queue.Bind(queue="w", exchange="xa", routing_key="k"),
        Queue.Unbind(queue="w", exchange="xa", routing_key="k"),
        Exchange.Declare(exchange="xa", passive=True),
    ],
    "exchange internal publish": [
        Exchange.Declare(exchange="xi", exchange_type="direct", internal=True),
        publish("xi", "k"),
    ],
    "e2e": [
        Exchange.Declare(exchange="xs", exchange_type="topic"),
        Exchange.Declare(exchange="xt", exchange_type="fanout"),
        Exchange.Bind(destination="xt", source="xs", routing_key="a.#"),
        declare(),
        Queue.Bind(queue="w", exchange="xt", routing_key=""),
        publish("xs", "a.b"),
        Basic.Get(queue="w"),
    ],
    "headers": [
        declare(),
        Queue.Bind(
            queue="w", exchange="amq.headers", routing_key="", arguments={"x-match": "all", "a": 1}
        ),
        publish("amq.headers", "", headers={"a": 1, "b": 2}),
        publish("amq.headers", "", headers={"a": 2}),
        Basic.Get(queue="w"),
        Basic.Get(queue="w"),
    ],
    "alternate": [
        Exchange.Declare(
            exchange="ae", exchange_type="direct", arguments={"alternate-exchange": "amq.fanout"}
        ),
        declare(),
        Queue.Bind(queue="w", exchange="amq.fanout"),
        publish("ae", "none"),
        Basic.Get(queue="w"),
    ],
    "CC": [
        declare(),
        Queue.Declare(queue="w2"),
        publish("", "w", headers={"CC": ["w2"], "BCC": ["w2"]}),
        Basic.Get(queue="w2"),
        Queue.Delete(queue="w2"),
    ],
    "confirm + return": [Confirm.Select(), publish("", "nobody", mand=True), publish("", "nobody")],
    "confirm unknown exchange": [Confirm.Select(), publish("nox", "k")],
    "immediate": [publish("", "w", imm=True)],
    "tx": [
        Tx.Select(),
        declare(),
        publish("", "w"),
        Queue.Declare(queue="w", passive=True),
        Tx.Commit(),
        Queue.Declare(queue="w", passive=True),
    ],
    "tx then confirm": [Tx.Select(), Confirm.Select()],
    "ack unknown": [Basic.Ack(5)],
    "ack zero none": [Basic.Ack(0, True)],
    "ack multiple": [
        declare(),
        publish("", "w"),
        publish("", "w"),
        publish("", "w"),
        Basic.Get(queue="w"),
        Basic.Get(queue="w"),
        Basic.Get(queue="w"),
        Basic.Ack(2, True),
        Basic.Ack(1),
    ],
    "consume tag reuse": [
        declare(),
        Basic.Consume(queue="w", consumer_tag="t"),
        Basic.Consume(queue="w", consumer_tag="t"),
    ],
    "exclusive consume": [
        declare(),
        Basic.Consume(queue="w", consumer_tag="t"),
        Basic.Consume(queue="w", consumer_tag="u", exclusive=True),
    ],
    "cancel unknown": [Basic.Cancel(consumer_tag="zz")],
    "cancel notify": [
        declare(),
        Basic.Consume(queue="w", consumer_tag="t"),
        Queue.Delete(queue="w"),
    ],
    "qos prefetch_size": [Basic.Qos(prefetch_size=5)],
    "qos global": [
        Basic.Qos(prefetch_count=1, global_=True),
        declare(),
        publish("", "w"),
        publish("", "w"),
        Basic.Consume(queue="w", consumer_tag="t"),
        Basic.Consume(queue="w", consumer_tag="u"),
    ],
    "recover": [
        declare(),
        publish("", "w"),
        Basic.Get(queue="w"),
        Basic.Recover(requeue=True),
        Basic.Get(queue="w"),
    ],
    "recover no requeue": [Basic.Recover(requeue=False)],
    "get no_ack": [
        declare(),
        publish(
            "",
            "w",
            content_type="t/x",
            headers={"f": 1.5, "l": [1, "a"], "n": None},
            priority=3,
            expiration="60000",
            user_id="guest",
            app_id="a",
            message_type="t",
            correlation_id="c",
            reply_to="r",
            delivery_mode=1,
        ),
        Basic.Get(queue="w", no_ack=True),
    ],
    "user_id wrong": [declare(), publish("", "w", user_id="bob")],
    "bad expiration": [declare(), publish("", "w", expiration="abc")],
    "dead letter": [
        declare(arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "w2"}),
        Queue.Declare(queue="w2"),
        publish("", "w"),
        Basic.Get(queue="w"),
        Basic.Reject(1, False),
        Basic.Get(queue="w2"),
        Queue.Delete(queue="w2"),
    ],
    "expired dead letter": [
        declare(
            arguments={
                "x-message-ttl": 20,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": "w2",
            }
        ),
        Queue.Declare(queue="w2"),
        publish("", "w"),
        PAUSE,
        Basic.Get(queue="w2"),
        Queue.Delete(queue="w2"),
    ],
    "max-length": [
        declare(arguments={"x-max-length": 1}),
        publish("", "w", b"1"),
        publish("", "w", b"2"),
        Basic.Get(queue="w"),
    ],
    "priority": [
        declare(arguments={"x-max-priority": 5}),
        publish("", "w", b"lo", priority=1),
        publish("", "w", b"hi", priority=4),
        Basic.Get(queue="w"),
    ],
    "quorum": [
        declare(durable=True, arguments={"x-queue-type": "quorum"}),
        Confirm.Select(),
        publish("", "w"),
        PAUSE,
        Basic.Get(queue="w"),
        Basic.Reject(1, True),
        PAUSE,
        Basic.Get(queue="w"),
    ],
    **{
        f"consumer timeout {value!r} of a {kind} queue": [
            declare(durable=True, arguments={"x-queue-type": kind, "x-consumer-timeout": value}),
            declare(durable=True, arguments={"x-queue-type": kind, "x-consumer-timeout": 7}),
            declare(durable=True, arguments={"x-queue-type": kind}),
        ]
        for kind in ("classic", "quorum")
        for value in (2000, -1, "soon", 0)
    },
    **{
        f"consumer timeout {value!r} of a consumer of a {kind} queue": [
            declare(durable=True, arguments={"x-queue-type": kind}),
            Basic.Consume(queue="w", arguments={"x-consumer-timeout": value}),
        ]
        for kind in ("classic", "quorum")
        for value in (2000, -1, "soon")
    },
    "stream": [declare(durable=True, arguments={"x-queue-type": "stream"})],
    "transient non-exclusive": [declare(durable=False, auto_delete=False)],
    "channel reopen": [Channel.Open()],
    "flow": [Channel.Flow(active=True)],
    "flow off": [Channel.Flow(active=False)],
    "empty body": [
        declare(),
        frame.marshal(Basic.Publish(routing_key="w"), 1)
        + frame.marshal(header.ContentHeader(0, 0, Basic.Properties()), 1),
        Basic.Get(queue="w"),
    ],
    "body before header": [
        declare(),
        frame.marshal(Basic.Publish(routing_key="w"), 1) + frame.marshal(ContentBody(b"x"), 1),
    ],
    "bad frame end": [b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x46\x00"],
    "empty name get": [Queue.Declare(queue=""), Basic.Get(queue="")],
    "reply-to no consumer": [publish("", "w", reply_to="amq.rabbitmq.reply-to")],
    "long name": [Queue.Declare(queue="q" * 255)],
}


def permissions(name: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Return the permissions of a conversation's user, if they are limited."""
    return {("guest", "/"): PERMISSIONS} if name in LIMITED else {}


def recorded(version: str) -> dict[str, list[str]]:
    """Return the recorded replies of a version: 3.10, 4.0 or 4.3."""
    record = json.loads(RECORD.read_text())
    return {
        name: next(said for of, said in by.items() if of == "all" or of.startswith(version))
        for name, by in record.items()
    }


class Connection(Protocol):
    """The socket methods that a client needs."""

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, size: int, /) -> bytes: ...

    def settimeout(self, seconds: float | None, /) -> None: ...


class Peer:
    """A client that returns a server's replies as text, over an open connection.

    It waits ``quiet`` seconds for further replies. If there is a ``pass_time``, it calls that
    instead, which advances the server's time and lets it process all input.
    """

    def __init__(
        self,
        connection: Connection,
        quiet: float,
        pass_time: Callable[[float], None] | None = None,
    ) -> None:
        self._quiet = quiet
        self._pass_time = pass_time
        self._data = b""
        self.reply_to = ""
        self.socket = connection
        capabilities: Any = {
            "authentication_failure_close": True,
            "consumer_cancel_notify": True,
            "basic.nack": True,
            "publisher_confirms": True,
        }
        self.socket.sendall(b"AMQP\0\0\x09\x01")
        self.read(1)
        for number, method in (
            (
                0,
                commands.Connection.StartOk(
                    {"capabilities": capabilities}, "PLAIN", "\0guest\0guest", "en_US"
                ),
            ),
            (0, commands.Connection.TuneOk(2047, 131_072, 0)),
            (0, commands.Connection.Open("/")),
            (1, Channel.Open()),
        ):
            self.socket.sendall(frame.marshal(method, number))
            if method.synchronous or method.name.endswith("StartOk"):
                self.read(1)

    def read(self, minimum: int = 0) -> list[str]:
        """Return at least this many replies, or all until the server is quiet."""
        lines: list[str] = []
        timeout = 10 if minimum else self._quiet
        if self._pass_time is not None and not minimum:
            self._pass_time(self._quiet)
            timeout = 0
        while True:
            while len(self._data) >= 8:
                size = 8 + int(struct.unpack(">I", self._data[3:7])[0])
                if len(self._data) < size:
                    break
                part = frame.unmarshal(self._data[:size])[2]
                if isinstance(part, header.ContentHeader) and part.properties.reply_to:
                    self.reply_to = part.properties.reply_to
                lines.append(_line(part))
                self._data = self._data[size:]
            if minimum and len(lines) >= minimum:
                return lines
            self.socket.settimeout(timeout)
            try:
                data = self.socket.recv(1 << 16)
            except (TimeoutError, BlockingIOError):
                return lines
            except OSError:
                data = b""
            if not data:
                return [*lines, "EOF"]
            self._data += data


def _line(part: Any) -> str:
    if isinstance(part, header.ContentHeader):
        values = {name: str(value) for name, value in part.properties if value is not None}
        return "H" + _without_names(json.dumps(values, sort_keys=True))
    if isinstance(part, ContentBody):
        return f"B{part.value!r}"
    text = part.name + str({name: value for name, value in part if value not in ("", False, None)})
    return _without_names(text)


def _without_names(text: str) -> str:
    for name, placeholder in GENERATED.items():
        text = re.sub(name, placeholder, text)
    return text


def connect(address: tuple[str, int]) -> socket.socket:
    """Return a connection to a server."""
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def converse(
    connection: Connection,
    name: str,
    quiet: float = 0.25,
    pass_time: Callable[[float], None] | None = None,
) -> list[str]:
    """Run a conversation with a server and return its replies."""
    peer = Peer(connection, quiet, pass_time)
    said: list[str] = []
    for step in CONVERSATIONS[name]:
        if step == PAUSE:
            said += peer.read()
            continue
        if step == REPLY:
            step = publish("", peer.reply_to)
        is_bytes = isinstance(step, bytes)
        peer.socket.sendall(step if is_bytes else frame.marshal(step, 1))
        awaits = not is_bytes and step.synchronous and not getattr(step, "nowait", False)
        said += peer.read(1 if awaits else 0)
        if any("Close{" in line for line in said):
            break
    return said + peer.read()


def without_times(lines: list[str]) -> list[str]:
    """Return the replies without timestamps, which differ between runs."""
    return [re.sub(r"datetime\.datetime\(.*?\)\)?", "TIME", line) for line in lines]
