"""Checks of numbers in arguments."""

from __future__ import annotations


def at_least_one(name: str, number: int) -> int:
    """Return the number, or raise ``ValueError`` if it is below 1."""
    if number < 1:
        raise ValueError(f"{name} must be at least 1, not {number}")
    return number


def positive(name: str, number: float) -> float:
    """Return the number, or raise ``ValueError`` unless it is positive and finite."""
    if not 0 < number < float("inf"):
        raise ValueError(f"{name} must be a positive number, not {number!r}")
    return number
