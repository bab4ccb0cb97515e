"""Encoding and decoding of AMQP methods, compared with pamqp."""

from __future__ import annotations

from typing import Any

import pamqp.commands
import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooq.amqp.frames import method_frame
from mooq.amqp.methods import METHODS, DamagedFields, DamagedText, Method
from mooq.amqp.tables import TableError

# pamqp accepts fewer names than RabbitMQ; both accept these.
names = st.text("abc.-_XY19", min_size=1, max_size=12)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "octet": st.integers(0, 255),
    "short": st.integers(0, 2**16 - 1),
    "long": st.integers(0, 2**32 - 1),
    "longlong": st.integers(0, 2**63 - 1),
    "bit": st.booleans(),
    "text": names,
    "name": names,
    "blob": st.binary(min_size=1, max_size=10),
    "table": st.dictionaries(names, names, max_size=3),
}
IN_PAMQP = {"blob": names.map(str.encode)}
# pamqp refuses any other value for these fields.
DEPRECATED = {
    "ticket": 0,
    "out_of_band": "0",
    "capabilities": "",
    "insist": False,
    "cluster_id": "",
    "channel_id": b"0",
    "known_hosts": "",
    "prefetch_size": 0,
    "no_local": False,
    "immediate": False,
}
UNKNOWN_TO_PAMQP = {"access.request", "access.request-ok", "basic.recover-async"} | {
    method.name for method in METHODS.values() if method.name.startswith("basic.credit")
}
NAMED_OTHERWISE = {"exchange_type": "type", "global_": "is_global"}
SENT_BY_SERVERS = {
    *(f"connection.{verb}" for verb in ("start", "secure", "tune", "blocked", "unblocked")),
    *(f"basic.{verb}" for verb in ("deliver", "return", "get-empty", "credit", "credit-drained")),
}
ANSWERS_OF_CLIENTS = {
    *(f"connection.{verb}-ok" for verb in ("start", "secure", "tune", "close")),
    "channel.close-ok",
}
shared = [method for method in METHODS.values() if method.name not in UNKNOWN_TO_PAMQP]


@st.composite
def calls(draw: st.DrawFn) -> tuple[Method, tuple[Any, ...]]:
    method = draw(st.sampled_from(list(METHODS.values())))
    return method, tuple(draw(KINDS[kind]) for _, kind in method.fields)


@st.composite
def calls_of_pamqp(draw: st.DrawFn) -> tuple[Method, tuple[Any, ...]]:
    method = draw(st.sampled_from(shared))
    return method, tuple(
        DEPRECATED[name] if name in DEPRECATED else draw(IN_PAMQP.get(kind, KINDS[kind]))
        for name, kind in method.fields
    )


def values_of(frame: Any, method: Method) -> tuple[Any, ...]:
    """Return the values of a pamqp frame in mooq's types."""
    values: list[Any] = []
    for (_, kind), (_, value) in zip(method.fields, frame, strict=True):
        if kind == "blob":
            values.append(value.encode() if isinstance(value, str) else value)
        elif kind in ("text", "name"):
            values.append(value or "")
        else:
            values.append(value or {} if kind == "table" else value)
    return tuple(values)


@given(calls())
def test_method_round_trips(call: tuple[Method, tuple[Any, ...]]) -> None:
    method, values = call
    payload = method.encode(*values)
    assert payload[:4] == method.ids
    assert method.decode(payload[4:]) == values


@given(calls_of_pamqp())
def test_pamqp_reads_frames_that_mooq_writes(call: tuple[Method, tuple[Any, ...]]) -> None:
    method, values = call
    frame = method_frame(7, method, *values)
    read, channel, command = pamqp.frame.unmarshal(frame)
    assert (read, channel) == (len(frame), 7)
    assert command.name.lower().replace("_", "") == method.name.replace("-", "")
    assert values_of(command, method) == values


@given(calls_of_pamqp())
def test_mooq_reads_frames_that_pamqp_writes(call: tuple[Method, tuple[Any, ...]]) -> None:
    method, values = call
    *_, command = pamqp.frame.unmarshal(method_frame(1, method, *values))
    assert method.decode(pamqp.frame.marshal(command, 1)[11:-1]) == values


@given(calls(), st.data())
def test_cut_or_longer_fields_are_damaged(
    call: tuple[Method, tuple[Any, ...]], data: st.DataObject
) -> None:
    method, values = call
    fields = method.encode(*values)[4:]
    length = data.draw(st.integers(0, len(fields)))
    damaged = fields + b"x" if length == len(fields) else fields[:length]
    with pytest.raises((DamagedFields, TableError)):
        method.decode(damaged)


@given(st.sampled_from(list(METHODS.values())), st.binary(max_size=40))
def test_arbitrary_fields_raise_only_damage_errors(method: Method, fields: bytes) -> None:
    try:
        method.decode(fields)
    except (DamagedFields, DamagedText, TableError):
        return


def by_name(name: str) -> Method:
    return next(method for method in METHODS.values() if method.name == name)


def test_queue_name_must_be_utf8() -> None:
    with pytest.raises(DamagedText):
        by_name("basic.get").decode(b"\0\0\2w\xff\0")


def test_routing_key_of_any_bytes_is_kept() -> None:
    publish = by_name("basic.publish")
    fields = b"\0\0\1\xff\1\xfe\0"
    assert publish.encode(*publish.decode(fields))[4:] == fields


@pytest.mark.parametrize("name", ["q!", "é✓", "x" * 255, "a b\0c"])
def test_names_that_rabbitmq_accepts_are_encoded(name: str) -> None:
    method = by_name("queue.purge-ok")
    assert method.encode(3)[4:] == b"\0\0\0\3"
    purge = by_name("queue.purge")
    assert purge.decode(purge.encode(0, name, False)[4:]) == (0, name, False)


def test_bits_share_an_octet() -> None:
    assert by_name("basic.nack").encode(1, True, True)[-1] == 3


@pytest.mark.parametrize("method", shared, ids=repr)
def test_method_and_field_names_match_amqp(method: Method) -> None:
    command: Any = pamqp.commands.INDEX_MAPPING[method.key]
    assert command.name.lower().replace("_", "") == method.name.replace("-", "")
    names = [NAMED_OTHERWISE.get(name, name.strip("_")) for name in command.attributes()]
    assert [name for name, _ in method.fields] == names


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("access.request", ["realm", "exclusive", "passive", "active", "write", "read"]),
        ("access.request-ok", ["ticket"]),
        ("basic.recover-async", ["requeue"]),
        ("basic.credit", ["consumer_tag", "credit", "drain"]),
        ("basic.credit-ok", ["available"]),
        ("basic.credit-drained", ["consumer_tag", "credit_drained"]),
    ],
)
def test_extension_fields_have_rabbitmq_names(name: str, fields: list[str]) -> None:
    assert [field for field, _ in by_name(name).fields] == fields


def test_method_direction_matches_its_sender() -> None:
    for method in METHODS.values():
        is_answer = method.name.endswith("-ok") and method.name not in ANSWERS_OF_CLIENTS
        assert method.from_client is not (is_answer or method.name in SENT_BY_SERVERS), method


def test_content_methods_carry_messages() -> None:
    assert {method.name for method in METHODS.values() if method.has_content} == {
        "basic.publish",
        "basic.return",
        "basic.deliver",
        "basic.get-ok",
    }


@pytest.mark.parametrize("values", [(), (1,), (1, True, False, 4)])
def test_wrong_number_of_values_is_refused(values: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="zip"):
        by_name("basic.nack").encode(*values)
