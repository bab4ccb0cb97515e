"""Encoding of messages and headers, and decoding of message bodies."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections import ChainMap, OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooq.client import json_text
from mooq.client.codec import LARGEST_BODY, LARGEST_UNPACKED, decode, encode, encode_as
from mooq.client.headers import RESERVED_HEADERS, check_headers, forwardable_headers
from mooq.transports.message import Delivery, Message

HALF = "\ud800"  # a lone surrogate, as a wrongly decoded file name may hold
DEEP = 100_000
SENT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


class Colour(str, Enum):  # noqa: UP042 - as older programs have them
    RED = "red"


class Unreadable(dict[str, int]):
    def items(self) -> Any:
        raise ValueError("of its own")


class Level(IntEnum):
    HIGH = 3


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def cyclic_list() -> object:
    value: list[Any] = []
    value.append({"again": value})
    return value


def cyclic_dict() -> object:
    value: dict[str, Any] = {}
    value["again"] = [value]
    return value


def received(body: bytes, content_type: str | None = "application/json", **more: Any) -> Any:
    return decode(Delivery(Message(body, "e", "k", None, content_type, **more), False, None))


def round_trip(msg: object) -> Any:
    return received(encode(msg))["msg"]


@pytest.fixture(params=["made once", "made for each message"])
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test with the cached C encoder and with its pure Python fallback."""
    assert json_text._pieces is not None
    if request.param == "made for each message":
        monkeypatch.setattr(json_text, "_pieces", None)


# Encoding


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_value_round_trips(msg: object) -> None:
    assert round_trip(msg) == msg


@given(JSON)
def test_message_is_encoded_as_utf8_json(msg: object) -> None:
    assert json.loads(encode(msg).decode()) == msg


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize(
    ("msg", "arrives"),
    [
        ((1, (2,)), [1, [2]]),
        ({1: 2, None: 3, 1.5: 4, False: 5}, {"1": 2, "null": 3, "1.5": 4, "false": 5}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        ([Level.HIGH, Colour.RED], [3, "red"]),
        (10**400, 10**400),
        (-0.0, 0.0),
    ],
    ids=["tuple", "keys that are no str", "ordered dict", "enums", "huge int", "minus zero"],
)
def test_python_values_become_json_values(msg: object, arrives: object) -> None:
    assert round_trip(msg) == arrives


@pytest.mark.usefixtures("encoder")
def test_json_is_encoded_compactly() -> None:
    assert encode({"a": [1, "é✓"]}) == '{"a":[1,"é✓"]}'.encode()


REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "bytes": (lambda: b"raw", TypeError, "msg is not JSON: msg is of type bytes; use"),
    "set": (lambda: {1, 2}, TypeError, "msg is not JSON: msg is of type set; use"),
    "object": (object, TypeError, "msg is not JSON: msg is of type object; use"),
    "datetime": (lambda: datetime.now(UTC), TypeError, "msg is not JSON: msg is of type datetime"),
    "decimal": (lambda: Decimal(1), TypeError, "msg is not JSON: msg is of type Decimal;"),
    "inside": (lambda: {"a": [b""]}, TypeError, "msg is not JSON: msg['a'][0] is of type bytes;"),
    "tuple as key": (
        lambda: {(1, 2): 3},
        TypeError,
        "msg is not JSON: a key of msg is of type tuple;",
    ),
    "NaN": (lambda: math.nan, ValueError, "msg is not JSON: msg is nan; use a finite"),
    "infinity": (
        lambda: [math.inf],
        ValueError,
        "msg is not JSON: msg[0] is inf; use a finite",
    ),
    "NaN as key": (lambda: {-math.inf: 1}, ValueError, "msg is not JSON: a key of msg is -inf;"),
    "list in itself": (cyclic_list, ValueError, "msg is not JSON: msg[0]['again'] is msg itself;"),
    "dict in itself": (cyclic_dict, ValueError, "msg is not JSON: msg['again'][0] is msg itself;"),
    "deep nesting": (lambda: nested(DEEP), ValueError, "msg is not JSON: it is nested too deeply"),
    "int of 5,000 digits": (
        lambda: 10**5000,
        ValueError,
        "msg is not JSON: msg is an int of more than 4300 digits",
    ),
    "int of 5,000 digits as key": (
        lambda: [{10**5000: 1}],
        ValueError,
        "msg is not JSON: a key of msg[0] is an int of more than 4300 digits; use its hex()",
    ),
    "NaN after much else": (
        lambda: {"a": {"b": [1, (2,)], "c": {}}, "d": [{"x": None}, {"y": math.nan}]},
        ValueError,
        "msg is not JSON: msg['d'][1]['y'] is nan;",
    ),
    "a part of itself inside": (
        lambda: {"a": [cyclic_list()]},
        ValueError,
        "msg is not JSON: msg['a'][0][0]['again'] is msg['a'][0] itself;",
    ),
    "a long way inside": (
        lambda: {"k" * 200: b""},
        TypeError,
        f"msg is not JSON: msg['{'k' * 75}… is of type bytes;",
    ),
    "a dict that cannot be read": (
        lambda: Unreadable(a=1),
        ValueError,
        "msg is not JSON: an object in it raised ValueError when it was read; use",
    ),
    "half a character": (lambda: HALF, ValueError, "msg contains '\\ud800', a lone surrogate"),
    "17 MiB": (
        lambda: "x" * 17 * 2**20,
        ValueError,
        "msg has 17825794 bytes as JSON; at most 16777216 (16 MiB) are allowed: store it elsewhere",
    ),
}


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize(("make", "error", "text"), REFUSED.values(), ids=REFUSED)
def test_message_that_is_not_json_is_refused(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as raised:
        encode(make())
    assert type(raised.value) is error
    assert str(raised.value).startswith(text)
    assert any(word in str(raised.value) for word in ("use", "flatten", "leave", "remove", "store"))


def test_message_size_is_limited_to_16_mib() -> None:
    largest = "x" * (LARGEST_BODY - len('""'))
    assert len(encode(largest)) == LARGEST_BODY
    with pytest.raises(ValueError, match=r"^msg has 16777217 bytes"):
        encode(largest + "x")


def test_message_size_is_counted_in_utf8_bytes() -> None:
    with pytest.raises(ValueError, match=r"^msg has 16777218 bytes"):
        encode("é" * (LARGEST_BODY // 2))


# Decoding


def test_decoded_message_is_a_plain_dict() -> None:
    message = Message(b'{"a":1}', "e", "k", "id", headers={"h": 1})
    assert decode(Delivery(message, True, None)) == {
        "msg": {"a": 1},
        "routing_key": "k",
        "exchange_name": "e",
        "redelivered": True,
        "headers": {"h": 1},
        "message_id": "id",
        "body": b'{"a":1}',
        "content_type": "application/json",
        "content_encoding": None,
        "persistent": True,
        "correlation_id": None,
        "reply_to": None,
        "expiration": None,
        "priority": None,
        "type": None,
        "timestamp": None,
        "user_id": None,
        "app_id": None,
    }


def test_foreign_message_may_lack_headers_and_id() -> None:
    message = received(b"1", headers=None)
    assert (message["headers"], message["message_id"]) == ({}, None)


def test_each_delivery_has_its_own_headers() -> None:
    headers: dict[str, Any] = {"list": [1], "dict": {"in": {}}}
    first = received(b"1", headers=headers)
    first["headers"]["list"].append(2)
    first["headers"]["dict"]["in"]["more"] = True
    first["headers"]["new"] = 1
    assert received(b"1", headers=headers)["headers"] == {"list": [1], "dict": {"in": {}}}


@pytest.mark.parametrize(
    ("content_type", "body", "msg"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/json; charset=utf-8", '"é"'.encode(), "é"),
        ("Application/JSON", b"1", 1),
        ("application/json", b' {"a": [1]}\r\n', {"a": [1]}),
        ("application/cloudevents+json", b"[1]", [1]),
        ("application/problem+json;charset=utf-8", b"[1]", [1]),
        (None, b'"as the mooq of 2017 sent"', "as the mooq of 2017 sent"),
        ("", b"null", None),
        ("text/plain", "é, not JSON".encode(), "é, not JSON"),
        ("TEXT/html; charset=utf-8", b"<p>", "<p>"),
        ("application/octet-stream", b"\xff\x00", b"\xff\x00"),
        ("application/x-json-stream", b"{}", b"{}"),
        ("application/x-ndjson", b"1", b"1"),
        ("image/png", b"", b""),
        ("text/plain; charset=iso-8859-1", b"\xe9", "é"),
        ('text/plain; format=flowed; Charset="Latin-1"', b"\xe9", "é"),
        ("application/json;charset=windows-1252", b'"\x80"', "€"),
        ("application/json", b"\xef\xbb\xbf[1]", [1]),
        (None, b"\xef\xbb\xbf[1]", [1]),
        ("text/plain", b"\xef\xbb\xbfhello", "hello"),
        ("text/plain; charset=utf-16", "é".encode("utf-16"), "é"),
        ("text/plain; charset=utf-16-le", "\ufeffé".encode("utf-16-le"), "é"),
        ("application/json", "[é]".replace("é", '"é"').encode("utf-16"), ["é"]),
        ("application/json", b'{"a": 1}'.decode().encode("utf-16-be"), {"a": 1}),
        ("application/json", b'{"a": 1}'.decode().encode("utf-32-le"), {"a": 1}),
        ("application/json; charset=utf-8", b"\xef\xbb\xbf1", 1),
        ("application/json", b"[-Infinity]", [-math.inf]),
    ],
)
def test_content_type_decides_how_a_body_is_read(
    content_type: str | None, body: bytes, msg: object
) -> None:
    assert received(body, content_type)["msg"] == msg


JSON_UNREAD = "the body is not JSON, though its content type says so: "
UNREAD: dict[str, tuple[bytes, str | None, str]] = {
    "a word": (b"not JSON", "application/json", "it is malformed at line 1, column 1"),
    "a break": (b'{"a": 1,\n :}', "application/json", "it is malformed at line 2, column 2"),
    "nothing": (b"", "application/json", "it is malformed at line 1, column 1"),
    "nothing of no type": (b"", None, "it is malformed at line 1, column 1"),
    "two values": (b"{} {}", "application/json", "it is malformed at line 1, column 4"),
    "depth": (b"[" * DEEP, "application/json", "it is nested too deeply"),
    "depth that ends": (b"[" * DEEP + b"]" * DEEP, None, "it is nested too deeply"),
    "digits": (b"1" * 5000, "application/json", "it contains an int of more than 4300 digits"),
}


@pytest.mark.parametrize(("body", "content_type", "reason"), UNREAD.values(), ids=UNREAD)
def test_malformed_json_body_raises_value_error(
    body: bytes, content_type: str | None, reason: str
) -> None:
    with pytest.raises(ValueError, match="the body is not JSON") as raised:
        received(body, content_type)
    assert str(raised.value) == JSON_UNREAD + reason


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"ab\xff", "text/plain", "byte 2 is not utf-8"),
        (b"\xff", "text/plain; charset=ascii", "byte 0 is not ascii"),
        (b'"\xff"', "application/json", "byte 1 is not utf-8"),
        (b"\xff", "application/vnd.it+json", "byte 0 is not utf-8"),
        (
            b"{}",
            "application/json; charset=base64",
            "content_type names 'base64', an unknown charset",
        ),
    ],
)
def test_body_not_in_its_charset_raises_value_error(
    body: bytes, content_type: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=r"^the body cannot be read: ") as raised:
        received(body, content_type)
    assert str(raised.value) == f"the body cannot be read: {reason}"


@pytest.mark.parametrize(
    ("content_encoding", "body", "msg"),
    [
        ("utf-8", b'"\xc3\xa9"', "é"),
        ("latin-1", b'"\xe9"', "é"),
        ("UTF-16", '"é"'.encode("utf-16"), "é"),
        ("binary", b"1", 1),
        ("", b"1", 1),
    ],
)
def test_content_encoding_may_name_the_charset(
    content_encoding: str, body: bytes, msg: object
) -> None:
    assert received(body, content_encoding=content_encoding)["msg"] == msg


def test_content_type_charset_overrides_encoding() -> None:
    message = received(b"\xe9", "text/plain; charset=latin-1", content_encoding="utf-8")
    assert message["msg"] == "é"


@pytest.mark.parametrize(
    ("content_type", "content_encoding", "text"),
    [
        ("text/plain; charset=klingon", None, "content_type names 'klingon', an unknown charset"),
        ("text/plain", "zip", "content_encoding names 'zip', an unknown charset"),
        (None, "a\0b", "content_encoding names 'a\\x00b', an unknown charset"),
    ],
)
def test_unknown_charset_is_named(
    content_type: str | None, content_encoding: str | None, text: str
) -> None:
    with pytest.raises(ValueError, match=r"^the body cannot be read: ") as raised:
        received(b"1", content_type, content_encoding=content_encoding)
    assert str(raised.value) == f"the body cannot be read: {text}"


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", "deflate"])
@pytest.mark.parametrize(
    ("msg", "content_type"), [({"a": "é"}, None), ("é", "text/plain"), ([1], "a/b+json")]
)
def test_compressed_body_round_trips(msg: Any, content_type: str | None, encoding: str) -> None:
    body = encode_as(msg, content_type, encoding)
    assert body != encode_as(msg, content_type, None)
    assert received(body, content_type, content_encoding=encoding)["msg"] == msg


def test_raw_deflate_body_is_decoded() -> None:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = packing.compress(b"[1]") + packing.flush()
    assert received(body, content_encoding="deflate")["msg"] == [1]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[1]", "it is not 'gzip', its content_encoding"),
        (b"", "it is truncated"),
        (gzip.compress(b"[1]", mtime=0)[:-3], "it is truncated"),
        (
            gzip.compress(bytes(LARGEST_UNPACKED + 1), mtime=0),
            "it has more than 134217728 bytes uncompressed",
        ),
    ],
)
def test_damaged_compressed_body_is_explained(body: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        received(body, content_encoding="gzip")


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "utf-16", "cp1252"])
def test_text_is_encoded_in_the_named_charset(charset: str) -> None:
    content_type = f"text/plain; charset={charset}"
    body = encode_as("é", content_type, None)
    assert body == "é".encode(charset)
    assert received(body, content_type)["msg"] == "é"


def test_json_is_encoded_in_the_content_encoding() -> None:
    assert encode_as("é", None, "latin-1") == b'"\xe9"'


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "image/png"])
def test_bytes_with_a_content_type_are_sent_unchanged(kind: Any, content_type: str) -> None:
    assert encode_as(kind(b"\xff"), content_type, "gzip") == b"\xff"


@pytest.mark.parametrize(
    ("msg", "content_type", "encoding", "error", "text"),
    [
        (1, "text/plain", None, TypeError, "msg must be a str or bytes for content_type 'text/pl"),
        ("a", "image/png", None, TypeError, "msg must be bytes for content_type 'image/png', not"),
        ({1}, "application/json", None, TypeError, "msg is not JSON: msg is of type set"),
        (b"a", None, "gzip", TypeError, "msg is not JSON: msg is of type bytes"),
        ("a", 1, None, TypeError, "content_type must be a str, not int"),
        ("a", "text/plain", b"gzip", TypeError, "content_encoding must be a str, not bytes"),
        ("a", "x" * 256, None, ValueError, "has 256 bytes; at most 255 are allowed"),
        ("a", "text/plain; charset=klingon", None, ValueError, "names 'klingon', an unknown"),
        ("€", "text/plain; charset=latin-1", None, ValueError, "latin-1 has no '€'"),
        (b"a" * (LARGEST_BODY + 1), "a/b", None, ValueError, "msg has 16777217 bytes; at most"),
    ],
)
def test_value_unfit_for_its_content_type_is_refused(
    msg: Any, content_type: Any, encoding: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        encode_as(msg, content_type, encoding)


def test_bytes_without_a_content_type_are_refused() -> None:
    with pytest.raises(TypeError, match=r"or pass a content_type to send the bytes unchanged$"):
        encode(b"a")


@pytest.mark.parametrize("body", [b"{", b"\xff"])
def test_undecodable_as_bytes_returns_the_body(body: bytes) -> None:
    delivery = Delivery(Message(body, "e", "k"), False, None)
    assert decode(delivery, undecodable_as_bytes=True)["msg"] == body


def test_json_error_names_the_place_not_the_content() -> None:
    with pytest.raises(ValueError, match=r"it is malformed at line 2, column 1$"):
        received(b"[1,\nsecret]")


JSON_BODIES = st.builds(
    lambda value, charset: json.dumps(value, ensure_ascii=False).encode(charset),
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]),
)


@given(JSON_BODIES | st.binary(max_size=30))
def test_json_bodies_are_read_as_by_python(body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        with pytest.raises(ValueError, match=r"^the body (is not|cannot be read)"):
            received(body)
    else:
        assert repr(received(body)["msg"]) == repr(value)


# Headers


HEADERS = st.dictionaries(
    st.text(max_size=20).filter(lambda name: name not in RESERVED_HEADERS),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.binary(max_size=20)
        | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner),
        max_leaves=10,
    ),
    max_size=5,
)


@given(HEADERS)
def test_headers_are_kept_unchanged(headers: dict[str, Any]) -> None:
    assert check_headers(headers) == headers


def test_empty_headers_are_allowed() -> None:
    assert check_headers({}) == {}


def test_published_headers_are_copied() -> None:
    inner: list[int] = [1]
    checked = check_headers({"list": inner})
    inner.append(2)
    assert checked == {"list": [1]}


@pytest.mark.parametrize(
    ("headers", "arrive"),
    [
        ({"h": (1, (2,))}, {"h": [1, [2]]}),
        ({"h": range(3)}, {"h": [0, 1, 2]}),
        (MappingProxyType({"h": ChainMap({"a": 1})}), {"h": {"a": 1}}),
        ({"h": [Level.HIGH, Colour.RED]}, {"h": [3, "red"]}),
        ({"h": [bytearray(b"a"), memoryview(b"b")]}, {"h": [b"a", b"b"]}),
        ({"h": SENT.replace(microsecond=9)}, {"h": SENT}),
        ({"h": Decimal("1.50")}, {"h": Decimal("1.50")}),
    ],
    ids=["tuple", "range", "other mappings", "enums", "bytes", "datetime", "decimal"],
)
def test_header_values_become_plain_values(headers: Any, arrive: dict[str, Any]) -> None:
    checked = check_headers(headers)
    assert checked == arrive
    assert repr(checked) == repr(arrive)


BAD_HEADERS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a list": (lambda: ["h"], TypeError, "headers must be a mapping, not list"),
    "a str": (lambda: "h", TypeError, "headers must be a mapping, not str"),
    "name no str": (lambda: {1: 1}, TypeError, "header name 1 must be a str, not int"),
    "inner name no str": (
        lambda: {"h": [{b"x": 1}]},
        TypeError,
        "header name b'x' must be a str, not bytes",
    ),
    "name too long": (
        lambda: {"h" * 129: 1},
        ValueError,
        f"header name {'h' * 30!r}… is too long; at most 128 bytes",
    ),
    "name of too many bytes": (
        lambda: {"é" * 65: 1},
        ValueError,
        f"header name {'é' * 30!r}… is too long; at most 128 bytes",
    ),
    "no number": (
        lambda: {"h": math.nan},
        ValueError,
        "header 'h' contains nan; use a finite number",
    ),
    "infinity": (
        lambda: {"h": math.inf},
        ValueError,
        "header 'h' contains inf; use a finite number",
    ),
    "set": (
        lambda: {"h": set()},
        TypeError,
        "header 'h' contains a set; allowed are None, bool, int",
    ),
    "object": (
        lambda: {"h": object()},
        TypeError,
        "header 'h' contains a object; allowed are None",
    ),
    "naive datetime": (
        lambda: {"h": datetime(2026, 1, 1)},
        ValueError,
        "header 'h' contains 2026-01-01 00:00:00, which has no time zone",
    ),
    "datetime too early": (
        lambda: {"h": datetime(1969, 1, 1, tzinfo=UTC)},
        ValueError,
        "header 'h' contains 1969-01-01 00:00:00+00:00, which is before 1970",
    ),
    "decimal too large": (
        lambda: {"h": Decimal(2**31)},
        ValueError,
        "header 'h' contains 2147483648; an AMQP decimal is not negative",
    ),
    "decimal too small": (
        lambda: {"h": Decimal("1e-256")},
        ValueError,
        "header 'h' contains 1E-256;",
    ),
    "decimal below zero": (
        lambda: {"h": Decimal(-1)},
        ValueError,
        "header 'h' contains -1; an AMQP",
    ),
    "decimal infinity": (
        lambda: {"h": Decimal("inf")},
        ValueError,
        "header 'h' contains Infinity; ",
    ),
    "inside": (lambda: {"h": [{"i": ({1},)}]}, TypeError, "header 'h' contains a set; allowed are"),
    "int too large": (
        lambda: {"h": 2**63},
        ValueError,
        "header 'h' contains 9223372036854775808; AMQP integers have 64 bits",
    ),
    "int too small": (
        lambda: {"h": -(2**63) - 1},
        ValueError,
        "header 'h' contains -9223372036854775809; AMQP integers have 64 bits",
    ),
    "half a character": (lambda: {"h": HALF}, ValueError, "header 'h' contains '\\ud800', a lone"),
    "half a character in a name": (lambda: {HALF: 1}, ValueError, "header name contains '\\ud800'"),
    "deep nesting": (lambda: {"h": nested(DEEP)}, ValueError, "headers are nested too deeply; fl"),
    "list in itself": (lambda: {"h": cyclic_list()}, ValueError, "headers are nested too deeply"),
    "dict in itself": (lambda: {"h": cyclic_dict()}, ValueError, "headers are nested too deeply"),
    "too much": (
        lambda: {"h": "é" * 16384},
        ValueError,
        "headers have 32776 bytes as JSON; at most 32768 are allowed: put it into msg",
    ),
}


@pytest.mark.parametrize(("make", "error", "text"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_headers_invalid_in_amqp_are_refused(
    make: Callable[[], Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as raised:
        check_headers(make())
    assert type(raised.value) is error
    assert str(raised.value).startswith(text)


@pytest.mark.parametrize(
    "name",
    [
        *("CC", "BCC", "x-death"),
        *("x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"),
        *("x-last-death-exchange", "x-last-death-queue", "x-last-death-reason"),
    ],
)
def test_headers_reserved_by_rabbitmq_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^header '{name}' has a meaning to RabbitMQ, .*choose"):
        check_headers({"mine": 1, name: "q"})


def test_forwardable_headers_omit_broker_headers() -> None:
    received_headers = {"mine": 1, "x-death": [{}], "x-delivery-count": 2, "CC": ["q"]}
    assert forwardable_headers(received_headers) == {"mine": 1}


def test_headers_of_32_kib_are_accepted() -> None:
    largest = {"é" * 64: "x" * (32 * 1024 - 128 - len('{"":""}'))}
    assert check_headers(largest) == largest
    assert check_headers({"h": 2**63 - 1, "i": -(2**63)}) == {"h": 2**63 - 1, "i": -(2**63)}
