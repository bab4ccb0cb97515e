"""Checks of numbers in arguments."""

from __future__ import annotations


def at_least(least: int, name: str, number: int) -> int:
    """Return the number; raise ``TypeError`` or, below ``least``, ``ValueError``."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name} must be an int, not {type(number).__name__}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def positive(name: str, number: float) -> float:
    """Return the number; raise ``TypeError`` or, unless positive and finite, ``ValueError``."""
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise TypeError(f"{name} must be a number, not {type(number).__name__}")
    if not 0 < number < float("inf"):
        raise ValueError(f"{name} must be a positive number, not {number!r}")
    return number
