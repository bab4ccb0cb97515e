"""Conversations with damaged, truncated and oversized messages and method fields."""

from __future__ import annotations

import struct

from tests.raw_amqp import body, frame, header, long, method, open_channel, publish, ready, short

ABC = body(b"abc")
LIKE_HEADER = struct.pack(">HHQ", 60, 0, 3) + b"\0\0"
MANY_HEADERS = b"\x20\0" + long(b"\1aS" + long(b"x" * 140_000))

CONVERSATIONS: dict[str, tuple[bytes, ...]] = {
    "header ch0": ready(header(0, channel=0)),
    "body ch0": ready(body(b"x" * 20, channel=0)),
    "header unopened ch": ready(header(0, channel=2)),
    "body idle": ready(body(b"x")),
    "header idle": ready(header(0)),
    "short header": ready(publish() + frame(2, 1, b"abc")),
    "header no flags": ready(publish() + frame(2, 1, struct.pack(">HHQ", 60, 0, 0))),
    "header weight": ready(publish() + header(0, weight=1)),
    "header class": ready(publish() + header(0, class_id=50)),
    "header class unknown": ready(publish() + header(0, class_id=99)),
    "method instead of header": ready(publish() + publish()),
    "method instead of body": ready(publish() + header(3) + publish()),
    "body where a header belongs": ready(publish() + frame(3, 1, LIKE_HEADER) + ABC),
    "header of another channel": ready(open_channel(2), publish() + header(3, channel=2) + ABC),
    "body of another channel": ready(open_channel(2), publish() + header(3) + body(b"abc", 2)),
    "header without a last byte": ready(
        publish() + frame(2, 1, bytes((0, 60)) + bytes(9)) + body(b"x" * 206)
    ),
    "header with another end": ready(publish() + frame(2, 1, LIKE_HEADER, b"\0") + ABC),
    "body with another end": ready(publish() + header(3) + frame(3, 1, b"abc", b"\0")),
    "header over the frame size": ready(publish() + header(3, MANY_HEADERS) + ABC),
    "body over the frame size": ready(publish() + header(140_000) + body(b"x" * 140_000)),
    "body too long": ready(publish() + header(3) + body(b"abcd")),
    "header twice": ready(publish() + header(3) + header(3)),
    "empty body frames": ready(publish() + header(3) + body(b"") + body(b"abc") + body(b"")),
    "huge body": ready(publish() + header(1 << 40)),
    "body 128M+1": ready(publish() + header((1 << 27) + 1)),
    "body 512M": ready(publish() + header(1 << 29)),
    "body 512M+1": ready(publish() + header((1 << 29) + 1)),
    "body 16M+1": ready(publish() + header((1 << 24) + 1)),
    "props continuation": ready(publish() + header(0, b"\0\1\0\0")),
    "props unused bit": ready(publish() + header(0, b"\0\2")),
    "props truncated": ready(publish() + header(0, b"\x80\0\5ab")),
    "props trailing": ready(publish() + header(0, b"\0\0xyz")),
    "props bad table": ready(publish() + header(0, b"\x20\0" + long(b"\1aZ"))),
    "props bad utf8": ready(publish() + header(0, b"\x80\0\2\xff\xfe")),
    "props bad headers key": ready(publish() + header(0, b"\x20\0" + long(b"\2\xff\xfet\1"))),
    "props dup keys": ready(publish() + header(0, b"\x20\0" + long(b"\1at\1\1at\0"))),
    "props table overrun": ready(publish() + header(0, b"\x20\0\0\0\0\xff")),
    "props nan": ready(publish() + header(0, b"\x20\0" + long(b"\1ad\x7f\xf8\0\0\0\0\0\0"))),
    "props L": ready(publish() + header(0, b"\x20\0" + long(b"\1aL\0\0\0\0\0\0\0\1"))),
    "props U": ready(publish() + header(0, b"\x20\0" + long(b"\1aU\0\1"))),
    "publish trailing": ready(method(1, 60, 40, b"\0\0" + short("") + short("nobody") + b"\0x")),
    "publish truncated": ready(method(1, 60, 40, b"\0\0" + short("") + b"\x09nobo")),
    "publish other bits": ready(
        method(1, 60, 40, b"\0\0" + short("") + short("nobody") + b"\xfc") + header(0)
    ),
    "publish bad utf8 exchange": ready(
        method(1, 60, 40, b"\0\0" + short(b"\xff") + short("nobody") + b"\0") + header(0)
    ),
    "queue.declare truncated table": ready(
        method(1, 50, 10, b"\0\0" + short("w") + b"\0" + b"\0\0\0\x09abc")
    ),
    "queue.declare bad table": ready(
        method(1, 50, 10, b"\0\0" + short("w") + b"\0" + long(b"\1aZxx"))
    ),
    "queue.declare trailing": ready(
        method(1, 50, 10, b"\0\0" + short("w") + b"\0" + long(b"") + b"x")
    ),
    "queue.declare bad utf8": ready(
        method(1, 50, 10, b"\0\0" + short(b"w\xff") + b"\0" + long(b""))
    ),
    "qos trailing": ready(method(1, 60, 10, b"\0\0\0\0\0\0\0\0")),
    "get bad utf8": ready(method(1, 60, 70, b"\0\0" + short(b"w\xff") + b"\0")),
    "consume bad utf8 tag": ready(
        method(1, 60, 20, b"\0\0" + short(b"w") + short(b"\xff") + b"\0" + long(b""))
    ),
    "qos ok": ready(method(1, 60, 11)),
    "basic.cancel trailing": ready(method(1, 60, 30, short("t") + b"\0\0")),
    "long text 404": ready(
        method(1, 60, 40, b"\0\0" + short("x" * 255) + short("") + b"\0") + header(0)
    ),
    "long text 404 unicode": ready(
        method(1, 60, 40, b"\0\0" + short("é" * 127) + short("") + b"\0") + header(0)
    ),
    "long text type": ready(
        method(1, 40, 10, b"\0\0" + short("xx") + short("t" * 255) + b"\0" + long(b""))
    ),
    "text 246": ready(
        method(1, 60, 40, b"\0\0" + short("x" * 216) + short("") + b"\0") + header(0)
    ),
    "text 214": ready(
        method(1, 60, 40, b"\0\0" + short("x" * 214) + short("") + b"\0") + header(0)
    ),
    "text 217": ready(
        method(1, 60, 40, b"\0\0" + short("x" * 217) + short("") + b"\0") + header(0)
    ),
    "text 225": ready(
        method(1, 60, 40, b"\0\0" + short("x" * 225) + short("") + b"\0") + header(0)
    ),
    "long fields": ready(method(1, 60, 40, b"\xc8" * 80)),
    "text fields": ready(method(1, 60, 40, b"abcdef")),
    "no fields": ready(method(1, 60, 40)),
}
