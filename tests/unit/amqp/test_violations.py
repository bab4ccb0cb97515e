"""Texts of protocol violations: bytes are printed as Erlang prints them."""

from __future__ import annotations

import pytest

from mooq.amqp import violations


def shown(payload: bytes, unicode: bool = True) -> str:
    text = violations.unexpected_frame(3, payload, unicode).refusal.text
    _, _, octets = text.partition(" octets = ")
    return octets


@pytest.mark.parametrize(
    ("octet", "written"),
    [
        (8, r"\b"),
        (9, r"\t"),
        (10, r"\n"),
        (11, r"\v"),
        (12, r"\f"),
        (13, r"\r"),
        (27, r"\e"),
        (32, " "),
        (34, r"\""),
        (92, r"\\"),
        (126, "~"),
    ],
)
@pytest.mark.parametrize("unicode", [False, True])
def test_printable_bytes_are_shown_as_text(octet: int, written: str, unicode: bool) -> None:
    assert shown(bytes((octet,)), unicode) == f'<<"{written}">>'


@pytest.mark.parametrize("octet", [0, 7, 14, 26, 28, 31, 127, 128, 159])
def test_other_bytes_are_shown_as_numbers(octet: int) -> None:
    assert shown(bytes((octet,))) == f"<<{octet}>>"


@pytest.mark.parametrize("octet", [160, 255])
def test_bytes_of_latin_1_are_shown_as_text(octet: int) -> None:
    assert shown(bytes((octet,))) == f'<<"{chr(octet)}">>'


def test_utf8_text_is_marked_as_such() -> None:
    assert shown("é✓".encode()) == '<<"é✓"/utf8>>'
    assert shown("é✓".encode(), unicode=False) == "<<195,169,226,156,147>>"


def test_empty_payload_is_shown_as_brackets() -> None:
    assert shown(b"") == "<<>>"


@pytest.mark.parametrize(("size", "how_much"), [(16, "all"), (17, "first 16")])
def test_first_sixteen_bytes_are_shown(size: int, how_much: str) -> None:
    text = violations.unexpected_frame(3, b"x" * size, True).refusal.text
    assert text == f'UNEXPECTED_FRAME - type 3, {how_much} octets = <<"{"x" * 16}">>'


def test_internal_error_text_is_its_name() -> None:
    assert violations.internal_error().text == "INTERNAL_ERROR"


@pytest.mark.parametrize("unicode", [False, True])
def test_reply_text_is_cut_at_255_bytes(unicode: bool) -> None:
    assert violations.shortened("x" * 255, unicode) == "x" * 255
    assert violations.shortened("x" * 256, unicode) == "x" * 252 + "..."


def test_multibyte_reply_text_over_the_limit_fails() -> None:
    text = "é" * 200
    assert violations.shortened(text, True) is None
    assert violations.shortened("é" * 300, True) is None
    cut = violations.shortened(text, False)
    assert cut == "é" * 126 + "..."


def test_reply_text_that_is_not_utf8_is_read_as_latin1() -> None:
    assert violations.shortened("k\udcff", True) == "kÿ"
    assert violations.shortened("k\udcff", False) == "k\udcff"
