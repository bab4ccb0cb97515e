"""Conversations that open connections: headers, logins, tuning and connection.open."""

from __future__ import annotations

import struct

from tests.raw_amqp import (
    CLIENT_PROPERTIES,
    NO_PROPERTIES,
    PROTOCOL_HEADER,
    amqplain,
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
)

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
    "long text vhost": (
        PROTOCOL_HEADER,
        start_ok(),
        tune_ok() + open_connection("v" * 255),
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
}
