"""Values that refusals of the in-memory broker quote, with unusual characters."""

from __future__ import annotations

from typing import Any

import pytest

from mooq.broker.values import LongBytes
from mooq.broker.versions import VERSIONS
from tests.unit.verbs import channel_of, declare, refused

versions = pytest.mark.parametrize("version", VERSIONS)
START = "PRECONDITION_FAILED - invalid arg"
CODES = ",".join(str(ord(one)) for one in "unsupported queue type '")


def refusal(version: str, value: Any, name: str = "q", argument: str = "x-queue-type") -> str:
    return refused(lambda: declare(channel_of(version), name, {argument: value}))


@versions
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('a"b', 'a\\"b'),
        ("a\\b", "a\\\\b"),
        ("\t\n\r\v\f\b\x1b", "\\t\\n\\r\\v\\f\\b\\e"),
        ("é", "é"),
    ],
)
def test_unknown_type_or_mode_is_quoted_as_an_erlang_string(
    version: str, value: str, shown: str
) -> None:
    assert refusal(version, value) == (
        f"{START} 'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type '{shown}'\""
    )
    if "x-queue-mode" not in VERSIONS[version].unchecked:
        assert refusal(version, value, argument="x-queue-mode") == (
            f"{START} 'x-queue-mode' for queue 'q' in vhost '/': "
            f"\"unsupported queue mode '{shown}'\""
        )


@pytest.mark.parametrize(
    ("value", "of_3_10", "of_later"),
    [
        ("\x00", "0", "0"),
        ("\x7f", "127", "127"),
        ("é☃", "195,169,226,152,131", "233,9731"),
        ("é\x80", "195,169,194,128", "233,128"),
        (LongBytes(b"\x80"), "128", "128"),
    ],
)
@versions
def test_unknown_type_that_is_not_printable_is_shown_as_numbers(
    version: str, value: str | bytes, of_3_10: str, of_later: str
) -> None:
    numbers = of_3_10 if version == "3.10" else of_later
    assert refusal(version, value) == (
        f"{START} 'x-queue-type' for queue 'q' in vhost '/': [{CODES},{numbers},39]"
    )


@versions
def test_unknown_type_that_is_not_utf8_is_shown_as_latin1(version: str) -> None:
    shown = "\udcff" if version == "3.10" else "ÿ"
    assert refusal(version, LongBytes(b"\xff")).endswith(f"\"unsupported queue type '{shown}'\"")


@versions
def test_type_of_a_server_named_queue_may_be_bytes(version: str) -> None:
    assert refusal(version, b"quorum", name="") == (
        "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue"
    )
    assert refusal(version, b"classic", name="").endswith("{unacceptable_type,binary}")
    names = VERSIONS[version].names_unknown_types
    assert refusal(version, b"y", name="") == (
        "PRECONDITION_FAILED - unknown queue type 'y'" if names else "INTERNAL_ERROR"
    )
    assert refusal(version, b"", name="").endswith(
        "{unacceptable_type,binary}" if VERSIONS[version].takes_empty_type else "INTERNAL_ERROR"
    )


@versions
@pytest.mark.parametrize(
    ("value", "of_3_10", "of_later"),
    [
        ('a"\t', '<<"a\\"\\t">>', '<<"a\\"\\t">>'),
        ("\x00a", "<<0,97>>", "<<0,97>>"),
        ("é", '<<"é">>', '<<"é"/utf8>>'),
        ("☃", "<<226,152,131>>", '<<"☃"/utf8>>'),
        ("é\x80", "<<195,169,194,128>>", "<<195,169,194,128>>"),
        (LongBytes(b"\xff"), '<<"\udcff">>', '<<"ÿ">>'),
        (LongBytes(b"\xe2\x98"), "<<226,152>>", "<<226,152>>"),
    ],
)
def test_value_is_quoted_as_an_erlang_binary(
    version: str, value: str | bytes, of_3_10: str, of_later: str
) -> None:
    channel = channel_of(version)
    shown = of_3_10 if version == "3.10" else of_later
    declare(channel)
    text = refused(lambda: channel.queue_bind("q", "amq.headers", "", {"x-match": value}))
    assert text.startswith(f"PRECONDITION_FAILED - Invalid x-match field value {shown}; expected")
    text = refused(lambda: declare(channel, "q", {"x-max-length": [value]}))
    assert text.endswith(
        f"received the value '[{{longstr,{shown}}}]' of type 'array' but current is none"
    )
