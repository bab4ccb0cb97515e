"""Field tables and properties, compared with pamqp and byte by byte."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pamqp.commands
import pamqp.decode
import pamqp.encode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooq.amqp.properties import PropertiesError, WireProperties, encode_properties
from mooq.amqp.tables import TableError, decode_table, encode_table
from mooq.broker.message import PROPERTY_NAMES, Properties
from mooq.broker.values import (
    AmqpDecimal,
    Byte,
    Float,
    Long,
    LongBytes,
    Short,
    SignedInt,
    Timestamp,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
    type_name,
)

keys = st.text(max_size=20).filter(lambda text: len(text.encode("utf-8", "replace")) < 128)
keys = keys.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
moments = st.integers(0, 2**32 - 1)  # pamqp reads later ones as milliseconds
scalars = st.one_of(
    st.booleans(),
    texts,
    st.binary(max_size=20),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**31), 2**31 - 1),
    st.builds(SignedInt, st.integers(-(2**31), 2**31 - 1)),
    st.builds(Long, st.integers(-(2**63), 2**63 - 1)),
    st.builds(Byte, st.integers(-128, 127)),
    st.builds(UnsignedByte, st.integers(0, 255)),
    st.builds(Short, st.integers(-(2**15), 2**15 - 1)),
    st.builds(UnsignedShort, st.integers(0, 2**16 - 1)),
    st.builds(UnsignedInt, st.integers(0, 2**32 - 1)),
    st.builds(Float, st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.builds(Timestamp, moments),
    st.builds(AmqpDecimal, st.integers(0, 255), st.integers(0, 2**32 - 1)),
    st.builds(LongBytes, st.binary(max_size=9).map(lambda data: data + b"\xff")),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
)
tables = st.dictionaries(keys, values, max_size=6)


def same(one: Any, other: Any) -> bool:
    """Return whether two values have the same wire type, content and key order."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type_name(one) == type_name(other) and bool(one == other)


@given(tables)
def test_table_round_trips_with_types(table: dict[str, Any]) -> None:
    data = encode_table(table)
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert same(decode_table(data[4:]), table)


def as_pamqp(value: Any) -> Any:
    """Return the value as pamqp decodes it: without integer widths."""
    if isinstance(value, dict):
        return {key: as_pamqp(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_pamqp(inner) for inner in value]
    if isinstance(value, Timestamp):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, AmqpDecimal):
        return Decimal(value.value).scaleb(-value.scale)
    return value


pamqp_reads = st.recursive(
    scalars.filter(
        lambda value: (
            not isinstance(value, LongBytes | AmqpDecimal | bytes) and value != ""
        )  # pamqp decodes these as None
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
)


@given(st.dictionaries(keys, pamqp_reads, max_size=6))
def test_pamqp_reads_tables_that_mooq_writes(table: dict[str, Any]) -> None:
    _, read = pamqp.decode.field_table(encode_table(table))
    assert read == as_pamqp(table)


pamqp_writes = st.recursive(
    st.booleans()
    | texts
    | st.none()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(width=32, allow_nan=False, allow_infinity=False)
    | moments.map(lambda moment: datetime.fromtimestamp(moment, UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
)


@given(st.dictionaries(keys, pamqp_writes, max_size=6))
def test_mooq_reads_tables_that_pamqp_writes(table: dict[str, Any]) -> None:
    assert as_pamqp(decode_table(pamqp.encode.field_table(table)[4:])) == table


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"L\0\0\0\0\0\0\0\1", Long(1)),
        (b"t\x07", True),
        (b"S\0\0\0\1\xff", LongBytes(b"\xff")),
        (b"x\0\0\0\1\xff", b"\xff"),
        (b"D\2\0\0\0\x7b", AmqpDecimal(2, 123)),
    ],
)
def test_values_decode_as_in_rabbitmq(data: bytes, value: Any) -> None:
    assert same(decode_table(b"\1k" + data)["k"], value)


def test_first_of_duplicate_keys_wins() -> None:
    assert decode_table(b"\1at\1\1at\0") == {"a": True}


def test_non_utf8_key_round_trips() -> None:
    data = b"\2\xff\xfet\1"
    assert encode_table(decode_table(data))[4:] == data


@pytest.mark.parametrize(
    "data",
    [
        b"\5ab",
        b"\1a",
        b"\1aZ",
        b"\1aU\0\1",
        b"\1aI\0\0",
        b"\1aS\0\0\0\x09x",
        b"\1aF\0\0\0\x03\1bt",
        b"\1ad" + b"\x7f\xf8" + b"\0" * 6,
        b"\1af" + b"\x7f\x80\0\0",
    ],
)
def test_damaged_table_is_refused(data: bytes) -> None:
    with pytest.raises(TableError):
        decode_table(data)


def test_excessive_nesting_is_refused() -> None:
    data = b""
    for _ in range(20_000):
        data = b"A" + len(data).to_bytes(4, "big") + data
    with pytest.raises(TableError, match="100 deep"):
        decode_table(b"\1a" + data)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_only_table_error(data: bytes) -> None:
    try:
        table = decode_table(data)
    except TableError:
        return
    assert same(decode_table(encode_table(table)[4:]), table)


@pytest.mark.parametrize("value", [object(), 1 + 2j, {1, 2}])
def test_value_without_amqp_type_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match="AMQP has no type for"):
        encode_table({"k": value})


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, Byte(200), math.pow(2, 200).__int__()])
def test_number_out_of_range_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match="AMQP cannot encode"):
        encode_table({"k": value})


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (2**31 - 1, b"I\x7f\xff\xff\xff"),
        (-(2**31), b"I\x80\0\0\0"),
        (2**31, b"l\0\0\0\0\x80\0\0\0"),
        (-(2**31) - 1, b"l\xff\xff\xff\xff\x7f\xff\xff\xff"),
        (datetime(1970, 1, 1, 0, 1, tzinfo=UTC), b"T" + b"\0" * 7 + b"\x3c"),
        (datetime(1970, 1, 1, 0, 1), b"T" + b"\0" * 7 + b"\x3c"),
    ],
)
def test_plain_values_use_a_type_that_holds_them(value: Any, data: bytes) -> None:
    assert encode_table({"k": value})[6:] == data


@pytest.mark.parametrize("kind", [b"F", b"A"])
@pytest.mark.parametrize(("depth", "is_read"), [(100, True), (102, False)])
def test_nesting_is_limited_to_a_hundred_levels(kind: bytes, depth: int, is_read: bool) -> None:
    name = b"\1k" if kind == b"F" else b""
    data = b""
    for _ in range(depth):
        data = name + kind + len(data).to_bytes(4, "big") + data
    data = data if kind == b"F" else b"\1k" + data
    if is_read:
        assert decode_table(data)
    else:
        with pytest.raises(TableError, match="nested more than 100 deep"):
            decode_table(data)


def test_key_at_the_end_of_a_nested_table_is_cut() -> None:
    nested = b"\1a"  # a key without a value; what follows would be one
    with pytest.raises(TableError, match="a key is cut short"):
        decode_table(b"\1kF" + len(nested).to_bytes(4, "big") + nested + b"V")


def test_key_over_255_bytes_is_refused() -> None:
    assert encode_table({"k" * 255: True})[4] == 255
    with pytest.raises(ValueError, match="a short string holds 255 bytes, not the 256 of 'kkk"):
        encode_table({"k" * 256: True})


short_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
properties = st.builds(
    Properties,
    **{
        name: st.none() | short_texts
        for name in PROPERTY_NAMES
        if name not in ("headers", "delivery_mode", "priority", "timestamp")
    },
    headers=st.none() | tables,
    delivery_mode=st.none() | st.integers(0, 255),
    priority=st.none() | st.integers(0, 255),
    timestamp=st.none() | moments,
)


@given(properties)
def test_properties_round_trip(wanted: Properties) -> None:
    raw = encode_properties(wanted)
    read = WireProperties(raw)
    assert read.flags == wanted.flags
    assert read == wanted
    assert encode_properties(read) is raw


@given(properties)
def test_replaced_property_is_encoded_again(wanted: Properties) -> None:
    read = WireProperties(encode_properties(wanted))
    assert WireProperties(encode_properties(read.replace(app_id="x"))) == wanted.replace(app_id="x")


@given(
    st.fixed_dictionaries(
        {
            "content_type": short_texts,
            "headers": st.dictionaries(keys, pamqp_writes, max_size=4),
            "delivery_mode": st.integers(1, 2),
            "priority": st.integers(0, 9),
            "message_type": short_texts,
            "timestamp": moments.map(lambda moment: datetime.fromtimestamp(moment, UTC)),
        }
    )
)
def test_mooq_reads_properties_of_pamqp(fields: dict[str, Any]) -> None:
    read = WireProperties(pamqp.commands.Basic.Properties(**fields).marshal())
    assert (read.content_type or "") == fields["content_type"]
    assert as_pamqp(read.headers or {}) == fields["headers"]
    assert (read.type or "") == fields["message_type"]
    assert (read.delivery_mode, read.priority or 0) == (fields["delivery_mode"], fields["priority"])
    assert read.timestamp == fields["timestamp"].timestamp()


def test_raw_properties_are_resent_unchanged() -> None:
    raw = b"\x20\x02" + b"\0\0\0\x08\1at\1\1at\0"  # an unused flag and a duplicate key
    assert encode_properties(WireProperties(raw)) == raw


def test_absent_properties_are_none() -> None:
    read = WireProperties(b"\x08\x00\x05")
    assert (read.priority, read.app_id, read.headers) == (5, None, None)
    with pytest.raises(AttributeError):
        read.nothing_of_that_name  # noqa: B018


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0",
        b"\0\1\0\0",
        b"\x80\0\5ab",
        b"\0\0xyz",
        b"\x20\0\0\0\0\3\1aZ",
        b"\x20\0\0\0\0\xff",
        b"\x10\0",
        b"\0\x40\0\0",
    ],
)
def test_damaged_properties_are_refused(raw: bytes) -> None:
    with pytest.raises(PropertiesError):
        WireProperties(raw)


@given(st.binary(max_size=40))
def test_arbitrary_bytes_raise_only_properties_error(raw: bytes) -> None:
    try:
        read = WireProperties(raw)
    except PropertiesError:
        return
    assert repr(read)
