"""Conversations with unexpected methods and frames, closes and invalid frames."""

from __future__ import annotations

import struct

from tests.raw_amqp import (
    body,
    close,
    frame,
    header,
    long,
    method,
    open_channel,
    open_connection,
    publish,
    ready,
    short,
    start_ok,
    tune_ok,
)

CONVERSATIONS: dict[str, tuple[bytes, ...]] = {
    "open twice": ready(open_connection()),
    "start-ok twice": ready(start_ok()),
    "tune-ok twice": ready(tune_ok()),
    "open-ok from client": ready(method(0, 10, 41, short(""))),
    "close-ok unsolicited": ready(method(0, 10, 51)),
    "close": ready(close(10, 0)),
    "close malformed": ready(method(0, 10, 50, b"\0")),
    "update secret": ready(method(0, 10, 70, long("guest") + short("why"))),
    "blocked from client": ready(method(0, 10, 60, short("x"))),
    "unknown class ch1": ready(method(1, 99, 10)),
    "unknown method ch1": ready(method(1, 60, 99)),
    "unknown class ch0": ready(method(0, 99, 10)),
    "unknown method ch0": ready(method(0, 10, 99)),
    "credit-ok from client": ready(method(1, 60, 201, b"\0\0\0\1")),
    "credit-drained from client": ready(method(1, 60, 202, short("x") + b"\0\0\0\1")),
    "credit": ready(method(1, 60, 200, short("x") + b"\0\0\0\1\0")),
    "method ch0 queue.declare": ready(method(0, 50, 10, b"\0\0" + short("w") + b"\0" + long(b""))),
    "connection method ch1": ready(method(1, 10, 40, short("/") + short("") + b"\0")),
    "connection.close ch1": ready(close(10, 1)),
    "short method frame": ready(frame(1, 1, b"\0")),
    "empty method frame ch0": ready(frame(1, 0, b"")),
    "frame type 4": ready(frame(4, 1, b"abc")),
    "frame type 4 ch0": ready(frame(4, 0, b"abc")),
    "frame type 0 long": ready(frame(0, 1, b"abcdefghijklmnopqrstuvwxyz")),
    "frame type 9 text": ready(frame(9, 1, b"AB")),
    "heartbeat ch1": ready(frame(8, 1, b"")),
    "heartbeat with payload": ready(frame(8, 0, b"x")),
    "heartbeat": ready(frame(8, 0, b"")),
    "declare-ok from client": ready(method(1, 50, 11, short("w") + b"\0" * 8)),
    "deliver from client": ready(
        method(1, 60, 60, short("t") + b"\0" * 9 + short("") + short("")) + header(0)
    ),
    "deliver from client no content": ready(
        method(1, 60, 60, short("t") + b"\0" * 9 + short("") + short(""))
    ),
    "access.request": ready(method(1, 30, 10, short("/data") + b"\0")),
    "channel.open-ok from client": ready(method(1, 20, 11, long(""))),
    "flow-ok": ready(method(1, 20, 21, b"\1")),
    "cancel-ok from client": ready(method(1, 60, 31, short("t"))),
    "recover-async": ready(method(1, 60, 100, b"\1")),
    "recover-async false": ready(method(1, 60, 100, b"\0")),
    "return from client": ready(
        method(1, 60, 50, b"\1\x38" + short("") + short("") + short("")) + header(0)
    ),
    "unopened channel": ready(method(2, 50, 10, b"\0\0" + short("w") + b"\0" + long(b""))),
    "unopened channel publish": ready(
        method(2, 60, 40, b"\0\0" + short("") + short("w") + b"\0"), header(0, channel=2)
    ),
    "unopened channel close": ready(close(channel=2)),
    "unopened channel close-ok": ready(method(2, 20, 41)),
    "open twice ch": ready(open_channel()),
    "channel close": ready(close(), open_channel()),
    "channel close then method": ready(close() + publish()),
    "channel close-ok unsolicited": ready(method(1, 20, 41), open_channel()),
    "channel 2048": ready(open_channel(2048)),
    "channel 65535": ready(open_channel(65535)),
    "after channel error": ready(
        method(1, 60, 80, struct.pack(">Q", 9) + b"\0"),
        publish() + header(1) + body(b"x"),
        open_channel(),
        close(),
        method(1, 20, 41),
        open_channel(),
    ),
    "after channel error garbage content": ready(
        method(1, 60, 80, struct.pack(">Q", 9) + b"\0"), header(0)
    ),
    "after channel error close then close-ok": ready(
        method(1, 60, 80, struct.pack(">Q", 9) + b"\0") + close(), method(1, 20, 41), open_channel()
    ),
    "after connection error": ready(
        method(1, 60, 10, b"\0\0\0\5\0\0\0"), close(), close(10, 0), method(0, 10, 51)
    ),
    "frame too large": ready(struct.pack(">BHI", 1, 1, 131073)),
    "frame max payload": ready(publish() + header(131072) + body(b"x" * 131072)),
    "frame too large 2": ready(struct.pack(">BHI", 77, 1, 1 << 31)),
    "bad frame end ch0": ready(frame(8, 0, b"")[:-1] + b"\1"),
    "bad frame end long": ready(publish()[:-1] + b"\0"),
    "bad end binary": ready(frame(3, 1, b"abc")[:-1] + b"\xff"),
    "tx": ready(method(1, 90, 20)),
    "binary that wraps": ready(frame(5, 1, b"\xc8" * 15 + b"\0")),
    "binary that wraps, bad end": ready(frame(255, 1, b"\xc8" * 14 + b"\0", b"\xff")),
    "binary that wraps, first 16": ready(frame(3, 1, b"\xc8" * 15 + b"\0" * 4, b"\xff")),
    "tuple that wraps": ready(frame(3, 1, b"a" * 17, b"\xff")),
    "tuple that just fits": ready(frame(3, 1, b"a" * 17, b"\0")),
    "tuple that wraps far right": ready(frame(3, 1, b"\1" * 16, b"\xff")),
    "latin-1 octets": ready(frame(5, 1, b"\xc8\xc9")),
    "utf-8 octets": ready(frame(5, 1, "é€".encode())),
    "escaped octets": ready(frame(5, 1, b'a"\\\n\t\x1b')),
    "control octet": ready(frame(5, 1, b"ab\x7f")),
    "wrong secret updated": ready(method(0, 10, 70, long("wrong") + short("why"))),
    "flow on": ready(method(1, 20, 20, b"\1")),
    "open channel 0": ready(open_channel(0)),
    "get-ok from client": ready(
        method(1, 60, 71, b"\0" * 9 + short("") + short("") + b"\0" * 4) + header(0)
    ),
    "ch0 ack": ready(method(0, 60, 80, b"\0" * 9)),
    "ch0 fields damaged": ready(method(0, 20, 10, b"\0" * 9)),
    "close twice": ready(close(10, 0) + open_channel() + close(10, 0)),
    "unknown class after close": ready(close(10, 0) + method(1, 99, 99) + close(10, 0)),
    "unknown class after close ch0": ready(close(10, 0) + method(0, 99, 99)),
    "refused twice": ready(
        method(1, 60, 70, b"\0\0" + short("nope") + b"\0")
        + method(1, 60, 70, b"\0\0" + short("nope2") + b"\0"),
        method(1, 20, 41) + open_channel(),
    ),
}
