"""Formatting of seconds and counts in texts."""

from __future__ import annotations

import math

import pytest

from mooq.basics.wording import counted, in_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.99994, "3 s"),
        (10.0, "10 s"),
        (0.05, "0.05 s"),
        (0.00012, "0.0001 s"),
        (1500.0, "1500 s"),
        (1234567.891, "1234567.89 s"),
        (math.inf, "inf s"),
        (0, "0 s"),
    ],
)
def test_seconds_are_rounded_to_two_places(seconds: float, text: str) -> None:
    assert in_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 processes"), (1, "1 process"), (2000, "2,000 processes")]
)
def test_count_selects_singular_or_plural(count: int, text: str) -> None:
    assert counted(count, "process", "processes") == text
