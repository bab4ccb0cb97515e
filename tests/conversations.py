"""Short AMQP conversations, most of them broken, and what RabbitMQ answers to each.

``conversations.json`` beside this file holds the answers of RabbitMQ 3.10.8, 4.0.5 and 4.3.6: a
line for each frame, and "end" where it hung up. ``python -m tests.conversations PORT…`` records
them anew; each port is that of another version.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.raw_amqp import (
    CLIENT_PROPERTIES,
    NO_PROPERTIES,
    PROTOCOL_HEADER,
    READY,
    amqplain,
    answers,
    body,
    close,
    frame,
    header,
    long,
    method,
    open_channel,
    open_connection,
    publish,
    short,
    start_ok,
    tune_ok,
    whole_frames,
)

VERSIONS = ("3.10", "4.0", "4.3")
RECORD = Path(__file__).with_suffix(".json")
BETWEEN = 0.3
AFTERWARDS = 3.5
"""Seconds that answers are waited for: between the steps, and after the last."""


def _ready(*steps: bytes) -> tuple[bytes, ...]:
    return (*READY, *steps)


CONVERSATIONS: dict[str, tuple[bytes, ...]] = {
    "start": (PROTOCOL_HEADER,),
    "header 0-9": (b"AMQP\1\1\0\x09",),
    "header 0-8": (b"AMQP\1\1\x08\0",),
    "header 0-10": (b"AMQP\1\1\0\x0a",),
    "header 0.0.9.2": (b"AMQP\0\0\x09\2",),
    "header 0.0.10.0": (b"AMQP\0\0\x0a\0",),
    "header 1.0": (b"AMQP\0\1\0\0",),
    "header http": (b"GET / HTTP/1.1\r\n\r\n",),
    "header junk": (b"abcdefgh",),
    "header 0.0.8.0": (b"AMQP\0\0\x08\0",),
    "header tls": (b"\x16\x03\x01\x02\0\x01\0\1\0",),
    "header sasl tls": (b"AMQP\2\1\0\0",),
    "short junk": (b"abcd",),
    "plain ok": (
        PROTOCOL_HEADER,
        start_ok(),
    ),
    "amqplain ok": (
        PROTOCOL_HEADER,
        start_ok("AMQPLAIN", amqplain("guest", "guest")),
    ),
    "amqplain bad": (
        PROTOCOL_HEADER,
        start_ok("AMQPLAIN", amqplain("guest", "x")),
    ),
    "amqplain missing": (
        PROTOCOL_HEADER,
        start_ok("AMQPLAIN", short("LOGIN") + b"S" + long("guest")),
    ),
    "amqplain garbage": (
        PROTOCOL_HEADER,
        start_ok("AMQPLAIN", b"\xff\xff"),
    ),
    "plain bad user": (
        PROTOCOL_HEADER,
        start_ok(response=b"\0nosuch\0x"),
    ),
    "plain malformed": (
        PROTOCOL_HEADER,
        start_ok(response=b"guest"),
    ),
    "plain extra": (
        PROTOCOL_HEADER,
        start_ok(response=b"\0guest\0guest\0x"),
    ),
    "plain authzid": (
        PROTOCOL_HEADER,
        start_ok(response=b"guest\0guest\0guest"),
    ),
    "plain bad nocaps": (
        PROTOCOL_HEADER,
        start_ok(response=b"\0guest\0x", properties=NO_PROPERTIES),
    ),
    "unknown mechanism": (
        PROTOCOL_HEADER,
        start_ok("NOPE"),
    ),
    "external": (
        PROTOCOL_HEADER,
        start_ok("EXTERNAL", b""),
    ),
    "anonymous": (
        PROTOCOL_HEADER,
        start_ok("ANONYMOUS", b""),
    ),
    "cr-demo": (
        PROTOCOL_HEADER,
        start_ok("RABBIT-CR-DEMO", b"guest"),
    ),
    "tune ok big channel": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(65535) + open_connection(),
    ),
    "tune ok frame 0": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(frame_max=0) + open_connection(),
    ),
    "tune ok frame 4096": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(frame_max=4096) + open_connection(),
    ),
    "tune ok frame 8192": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(frame_max=8192) + open_connection(),
    ),
    "tune ok frame 4095": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(frame_max=4095) + open_connection(),
    ),
    "tune ok channel 0": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(0) + open_connection(),
    ),
    "tune ok frame big": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(frame_max=1 << 20) + open_connection(),
    ),
    "open before tune-ok": (
        PROTOCOL_HEADER,
        start_ok(),
        open_connection(),
    ),
    "open no vhost": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok() + open_connection("/nope"),
    ),
    "channel before open": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(),
        open_channel(),
    ),
    "channel before tune": (
        PROTOCOL_HEADER,
        start_ok(),
        open_channel(),
    ),
    "channel before start-ok": (
        PROTOCOL_HEADER,
        open_channel(),
    ),
    "tune-ok before start-ok": (
        PROTOCOL_HEADER,
        tune_ok(),
    ),
    "heartbeat before open": (
        PROTOCOL_HEADER,
        start_ok(),
        frame(8, 0, b""),
        tune_ok(),
        frame(8, 0, b""),
        open_connection(),
    ),
    "close before open": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(),
        close(10, 0),
    ),
    "close before tune-ok": (
        PROTOCOL_HEADER,
        start_ok(),
        close(10, 0),
    ),
    "open twice": _ready(open_connection()),
    "start-ok twice": _ready(start_ok()),
    "tune-ok twice": _ready(tune_ok()),
    "open-ok from client": _ready(method(0, 10, 41, short(""))),
    "close-ok unsolicited": _ready(method(0, 10, 51)),
    "close": _ready(close(10, 0)),
    "close malformed": _ready(method(0, 10, 50, b"\0")),
    "update secret": _ready(method(0, 10, 70, long("guest") + short("why"))),
    "blocked from client": _ready(method(0, 10, 60, short("x"))),
    "unknown class ch1": _ready(method(1, 99, 10)),
    "unknown method ch1": _ready(method(1, 60, 99)),
    "unknown class ch0": _ready(method(0, 99, 10)),
    "unknown method ch0": _ready(method(0, 10, 99)),
    "credit": _ready(method(1, 60, 200, short("x") + b"\0\0\0\1\0")),
    "method ch0 queue.declare": _ready(method(0, 50, 10, b"\0\0" + short("w") + b"\0" + long(b""))),
    "connection method ch1": _ready(method(1, 10, 40, short("/") + short("") + b"\0")),
    "connection.close ch1": _ready(close(10, 1)),
    "short method frame": _ready(frame(1, 1, b"\0")),
    "empty method frame ch0": _ready(frame(1, 0, b"")),
    "frame type 4": _ready(frame(4, 1, b"abc")),
    "frame type 4 ch0": _ready(frame(4, 0, b"abc")),
    "frame type 0 long": _ready(frame(0, 1, b"abcdefghijklmnopqrstuvwxyz")),
    "frame type 9 text": _ready(frame(9, 1, b"AB")),
    "heartbeat ch1": _ready(frame(8, 1, b"")),
    "heartbeat with payload": _ready(frame(8, 0, b"x")),
    "heartbeat": _ready(frame(8, 0, b"")),
    "header ch0": _ready(header(0, channel=0)),
    "body ch0": _ready(body(b"x" * 20, channel=0)),
    "header unopened ch": _ready(header(0, channel=2)),
    "body idle": _ready(body(b"x")),
    "header idle": _ready(header(0)),
    "short header": _ready(publish() + frame(2, 1, b"abc")),
    "header no flags": _ready(publish() + frame(2, 1, struct.pack(">HHQ", 60, 0, 0))),
    "header weight": _ready(publish() + header(0, weight=1)),
    "header class": _ready(publish() + header(0, class_id=50)),
    "header class unknown": _ready(publish() + header(0, class_id=99)),
    "method instead of header": _ready(publish() + publish()),
    "method instead of body": _ready(publish() + header(3) + publish()),
    "body too long": _ready(publish() + header(3) + body(b"abcd")),
    "header twice": _ready(publish() + header(3) + header(3)),
    "empty body frames": _ready(publish() + header(3) + body(b"") + body(b"abc") + body(b"")),
    "huge body": _ready(publish() + header(1 << 40)),
    "body 128M+1": _ready(publish() + header((1 << 27) + 1)),
    "body 512M": _ready(publish() + header(1 << 29)),
    "body 512M+1": _ready(publish() + header((1 << 29) + 1)),
    "body 16M+1": _ready(publish() + header((1 << 24) + 1)),
    "props continuation": _ready(publish() + header(0, b"\0\1\0\0")),
    "props unused bit": _ready(publish() + header(0, b"\0\2")),
    "props truncated": _ready(publish() + header(0, b"\x80\0\5ab")),
    "props trailing": _ready(publish() + header(0, b"\0\0xyz")),
    "props bad table": _ready(publish() + header(0, b"\x20\0" + long(b"\1aZ"))),
    "props bad utf8": _ready(publish() + header(0, b"\x80\0\2\xff\xfe")),
    "props bad headers key": _ready(publish() + header(0, b"\x20\0" + long(b"\2\xff\xfet\1"))),
    "props dup keys": _ready(publish() + header(0, b"\x20\0" + long(b"\1at\1\1at\0"))),
    "props table overrun": _ready(publish() + header(0, b"\x20\0\0\0\0\xff")),
    "props nan": _ready(publish() + header(0, b"\x20\0" + long(b"\1ad\x7f\xf8\0\0\0\0\0\0"))),
    "props L": _ready(publish() + header(0, b"\x20\0" + long(b"\1aL\0\0\0\0\0\0\0\1"))),
    "props U": _ready(publish() + header(0, b"\x20\0" + long(b"\1aU\0\1"))),
    "publish trailing": _ready(method(1, 60, 40, b"\0\0" + short("") + short("nobody") + b"\0x")),
    "publish truncated": _ready(method(1, 60, 40, b"\0\0" + short("") + b"\x09nobo")),
    "publish other bits": _ready(
        method(1, 60, 40, b"\0\0" + short("") + short("nobody") + b"\xfc") + header(0)
    ),
    "publish bad utf8 exchange": _ready(
        method(1, 60, 40, b"\0\0" + short(b"\xff") + short("nobody") + b"\0") + header(0)
    ),
    "queue.declare truncated table": _ready(
        method(1, 50, 10, b"\0\0" + short("w") + b"\0" + b"\0\0\0\x09abc")
    ),
    "queue.declare bad table": _ready(
        method(1, 50, 10, b"\0\0" + short("w") + b"\0" + long(b"\1aZxx"))
    ),
    "queue.declare trailing": _ready(
        method(1, 50, 10, b"\0\0" + short("w") + b"\0" + long(b"") + b"x")
    ),
    "queue.declare bad utf8": _ready(
        method(1, 50, 10, b"\0\0" + short(b"w\xff") + b"\0" + long(b""))
    ),
    "qos trailing": _ready(method(1, 60, 10, b"\0\0\0\0\0\0\0\0")),
    "get bad utf8": _ready(method(1, 60, 70, b"\0\0" + short(b"w\xff") + b"\0")),
    "consume bad utf8 tag": _ready(
        method(1, 60, 20, b"\0\0" + short(b"w") + short(b"\xff") + b"\0" + long(b""))
    ),
    "qos ok": _ready(method(1, 60, 11)),
    "declare-ok from client": _ready(method(1, 50, 11, short("w") + b"\0" * 8)),
    "deliver from client": _ready(
        method(1, 60, 60, short("t") + b"\0" * 9 + short("") + short("")) + header(0)
    ),
    "deliver from client no content": _ready(
        method(1, 60, 60, short("t") + b"\0" * 9 + short("") + short(""))
    ),
    "access.request": _ready(method(1, 30, 10, short("/data") + b"\0")),
    "channel.open-ok from client": _ready(method(1, 20, 11, long(""))),
    "flow-ok": _ready(method(1, 20, 21, b"\1")),
    "cancel-ok from client": _ready(method(1, 60, 31, short("t"))),
    "recover-async": _ready(method(1, 60, 100, b"\1")),
    "recover-async false": _ready(method(1, 60, 100, b"\0")),
    "return from client": _ready(
        method(1, 60, 50, b"\1\x38" + short("") + short("") + short("")) + header(0)
    ),
    "basic.cancel trailing": _ready(method(1, 60, 30, short("t") + b"\0\0")),
    "unopened channel": _ready(method(2, 50, 10, b"\0\0" + short("w") + b"\0" + long(b""))),
    "unopened channel publish": _ready(
        method(2, 60, 40, b"\0\0" + short("") + short("w") + b"\0"), header(0, channel=2)
    ),
    "unopened channel close": _ready(close(channel=2)),
    "unopened channel close-ok": _ready(method(2, 20, 41)),
    "open twice ch": _ready(open_channel()),
    "channel close": _ready(close(), open_channel()),
    "channel close then method": _ready(close() + publish()),
    "channel close-ok unsolicited": _ready(method(1, 20, 41), open_channel()),
    "channel 2048": _ready(open_channel(2048)),
    "channel 65535": _ready(open_channel(65535)),
    "channel max 1": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(1) + open_connection(),
        open_channel(),
        open_channel(2),
    ),
    "channel max 5 number 9": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(5) + open_connection(),
        open_channel(9),
    ),
    "after channel error": _ready(
        method(1, 60, 80, struct.pack(">Q", 9) + b"\0"),
        publish() + header(1) + body(b"x"),
        open_channel(),
        close(),
        method(1, 20, 41),
        open_channel(),
    ),
    "after channel error garbage content": _ready(
        method(1, 60, 80, struct.pack(">Q", 9) + b"\0"), header(0)
    ),
    "after channel error close then close-ok": _ready(
        method(1, 60, 80, struct.pack(">Q", 9) + b"\0") + close(), method(1, 20, 41), open_channel()
    ),
    "after connection error": _ready(
        method(1, 60, 10, b"\0\0\0\5\0\0\0"), close(), close(10, 0), method(0, 10, 51)
    ),
    "frame too large": _ready(struct.pack(">BHI", 1, 1, 131073)),
    "frame max payload": _ready(publish() + header(131072) + body(b"x" * 131072)),
    "frame too large 2": _ready(struct.pack(">BHI", 77, 1, 1 << 31)),
    "frame too large early": (
        PROTOCOL_HEADER,
        struct.pack(">BHI", 1, 0, 5000),
    ),
    "frame too large early 8192": (
        PROTOCOL_HEADER,
        struct.pack(">BHI", 1, 0, 8193),
    ),
    "frame end early": (
        PROTOCOL_HEADER,
        start_ok()[:-1] + b"\0",
    ),
    "bad frame end ch0": _ready(frame(8, 0, b"")[:-1] + b"\1"),
    "bad frame end long": _ready(publish()[:-1] + b"\0"),
    "bad end binary": _ready(frame(3, 1, b"abc")[:-1] + b"\xff"),
    "long text 404": _ready(
        method(1, 60, 40, b"\0\0" + short("x" * 255) + short("") + b"\0") + header(0)
    ),
    "long text 404 unicode": _ready(
        method(1, 60, 40, b"\0\0" + short("é" * 127) + short("") + b"\0") + header(0)
    ),
    "long text vhost": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok() + open_connection("v" * 255),
    ),
    "long text type": _ready(
        method(1, 40, 10, b"\0\0" + short("xx") + short("t" * 255) + b"\0" + long(b""))
    ),
    "text 246": _ready(
        method(1, 60, 40, b"\0\0" + short("x" * 216) + short("") + b"\0") + header(0)
    ),
    "text 214": _ready(
        method(1, 60, 40, b"\0\0" + short("x" * 214) + short("") + b"\0") + header(0)
    ),
    "text 217": _ready(
        method(1, 60, 40, b"\0\0" + short("x" * 217) + short("") + b"\0") + header(0)
    ),
    "text 225": _ready(
        method(1, 60, 40, b"\0\0" + short("x" * 225) + short("") + b"\0") + header(0)
    ),
    "start-ok truncated": (
        PROTOCOL_HEADER,
        method(0, 10, 11, b"\0\0"),
    ),
    "start-ok bad table": (
        PROTOCOL_HEADER,
        method(
            0, 10, 11, long(b"\1aZ") + short("PLAIN") + long(b"\0guest\0guest") + short("en_US")
        ),
    ),
    "tx": _ready(method(1, 90, 20)),
    "locale": (
        PROTOCOL_HEADER,
        method(
            0, 10, 11, CLIENT_PROPERTIES + short("PLAIN") + long(b"\0guest\0guest") + short("xx")
        ),
    ),
    "secure-ok early": (
        PROTOCOL_HEADER,
        method(0, 10, 21, long(b"\0guest\0guest")),
    ),
    "binary that wraps": _ready(frame(5, 1, b"\xc8" * 15 + b"\0")),
    "binary that wraps, bad end": _ready(frame(255, 1, b"\xc8" * 14 + b"\0", b"\xff")),
    "binary that wraps, first 16": _ready(frame(3, 1, b"\xc8" * 15 + b"\0" * 4, b"\xff")),
    "tuple that wraps": _ready(frame(3, 1, b"a" * 17, b"\xff")),
    "tuple that just fits": _ready(frame(3, 1, b"a" * 17, b"\0")),
    "tuple that wraps far right": _ready(frame(3, 1, b"\1" * 16, b"\xff")),
    "latin-1 octets": _ready(frame(5, 1, b"\xc8\xc9")),
    "utf-8 octets": _ready(frame(5, 1, "é€".encode())),
    "escaped octets": _ready(frame(5, 1, b'a"\\\n\t\x1b')),
    "control octet": _ready(frame(5, 1, b"ab\x7f")),
    "long fields": _ready(method(1, 60, 40, b"\xc8" * 80)),
    "text fields": _ready(method(1, 60, 40, b"abcdef")),
    "no fields": _ready(method(1, 60, 40)),
    "small frame-max": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(frame_max=8192) + open_connection(),
        open_channel(),
        struct.pack(">BHI", 1, 1, 99_999),
    ),
    "frame above frame-max by overhead": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok(frame_max=8192) + open_connection(),
        open_channel(),
        publish() + header(8192) + body(b"x" * 8192),
        publish() + header(8193) + struct.pack(">BHI", 3, 1, 8193),
    ),
    "wrong secret updated": _ready(method(0, 10, 70, long("wrong") + short("why"))),
    "flow on": _ready(method(1, 20, 20, b"\1")),
    "open channel 0": _ready(open_channel(0)),
    "empty response": (PROTOCOL_HEADER, start_ok(response=b"")),
    "capabilities that are no table": (
        PROTOCOL_HEADER,
        start_ok(response=b"\0guest\0x", properties=long(short("capabilities") + b"t\1")),
    ),
    "amqplain binary": (
        PROTOCOL_HEADER,
        start_ok(
            "AMQPLAIN",
            short("LOGIN") + b"x" + long("guest") + short("PASSWORD") + b"S" + long("guest"),
        ),
    ),
    "amqplain number": (
        PROTOCOL_HEADER,
        start_ok(
            "AMQPLAIN", short("LOGIN") + b"I\0\0\0\1" + short("PASSWORD") + b"S" + long("guest")
        ),
    ),
    "virtual host bad utf8": (PROTOCOL_HEADER, start_ok(), tune_ok() + open_connection(b"\xff")),
    "get-ok from client": _ready(
        method(1, 60, 71, b"\0" * 9 + short("") + short("") + b"\0" * 4) + header(0)
    ),
    "ch0 ack": _ready(method(0, 60, 80, b"\0" * 9)),
    "ch0 fields damaged": _ready(method(0, 20, 10, b"\0" * 9)),
    "close twice": _ready(close(10, 0) + open_channel() + close(10, 0)),
    "unknown class after close": _ready(close(10, 0) + method(1, 99, 99) + close(10, 0)),
    "unknown class after close ch0": _ready(close(10, 0) + method(0, 99, 99)),
    "refused twice": _ready(
        method(1, 60, 70, b"\0\0" + short("nope") + b"\0")
        + method(1, 60, 70, b"\0\0" + short("nope2") + b"\0"),
        method(1, 20, 41) + open_channel(),
    ),
}


def recorded(version: str) -> dict[str, list[str]]:
    """Return the answers of a version."""
    record = json.loads(RECORD.read_text())
    return {name: by["all"] if "all" in by else by[version] for name, by in record.items()}


def converse(
    address: tuple[str, int], steps: tuple[bytes, ...], between: float, afterwards: float
) -> list[str]:
    """Send the steps to a server; return the answers, as text."""
    with socket.create_connection(address) as peer:
        lines: list[str] = []
        waiting = b""
        for index, step in enumerate(steps):
            try:
                peer.sendall(step)
            except OSError:
                break
            is_last = index == len(steps) - 1
            deadline = time.monotonic() + (afterwards if is_last else between)
            is_over = False
            while not is_over and (left := deadline - time.monotonic()) > 0:
                peer.settimeout(left)
                try:
                    data = peer.recv(65_536)
                except TimeoutError:
                    break
                except OSError:
                    data = b""
                waiting += data
                end = whole_frames(waiting)
                lines += answers(waiting[:end])
                waiting = waiting[end:]
                is_over = not data
                if not is_last and lines:
                    break
            if is_over:
                return [*lines, "end"]
        return lines


def _record(ports: list[str]) -> None:
    def ask(port: str) -> dict[str, list[str]]:
        def one(steps: tuple[bytes, ...]) -> list[str]:
            return converse(("127.0.0.1", int(port)), steps, BETWEEN, AFTERWARDS)

        with ThreadPoolExecutor(12) as pool:
            return dict(zip(CONVERSATIONS, pool.map(one, CONVERSATIONS.values()), strict=True))

    by_version = dict(zip(VERSIONS, map(ask, ports), strict=True))
    record: dict[str, dict[str, list[str]]] = {}
    for name in CONVERSATIONS:
        said = {version: by_version[version][name] for version in VERSIONS}
        first = said[VERSIONS[0]]
        record[name] = {"all": first} if all(one == first for one in said.values()) else said
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    _record(sys.argv[1:])
