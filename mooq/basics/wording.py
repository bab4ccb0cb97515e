"""Formatting of seconds and counts in messages."""

from __future__ import annotations


def in_seconds(seconds: float) -> str:
    """Return a time with its unit, with at most two decimals: ``2.99994`` is ``"3 s"``."""
    rounded = round(seconds, 2) or float(f"{seconds:.1g}")
    return f"{rounded:.10g} s"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: ``"1 process"``, ``"2,000 messages"``."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
