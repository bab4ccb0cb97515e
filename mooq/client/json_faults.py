"""JSON errors in mooq's own texts, because Python's texts differ between its versions."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import islice
from json import JSONDecodeError

ALLOWED = "None, bool, int, float, str, and lists and dicts of these"
LONGEST_PLACE = 80  # characters


def encoding_error(value: object, cause: Exception, name: str) -> TypeError | ValueError:
    """Return the error for a value that could not be encoded; it names the problem and its place.

    ``cause`` is the encoder's exception. ``name`` is the value's name in the error.
    """
    try:
        fault = _first_fault(value, name)
    except (
        RecursionError,
        TypeError,
        ValueError,
    ):  # from a dict or list subclass with its own methods
        fault = None
    if fault is None:
        if isinstance(cause, RecursionError):
            fault = ValueError("it is nested too deeply; flatten it")
        else:
            kind = TypeError if isinstance(cause, TypeError) else ValueError
            fault = kind(
                f"an object in it raised {type(cause).__name__} when it was read; use {ALLOWED}"
            )
    return type(fault)(f"{name} is not JSON: {fault}")


def decoding_error(error: ValueError | RecursionError) -> str:
    """Return why a text could not be decoded as JSON."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, JSONDecodeError):
        return f"it is malformed at line {error.lineno}, column {error.colno}"
    # The json module raises no other error; int() raises this one.
    return f"it contains {_too_many_digits()}"


def _first_fault(value: object, name: str) -> TypeError | ValueError | None:
    """Search a value for the problem, in order, at any depth of nesting."""
    path: list[object] = []  # the name, and the keys and indexes that lead to the current value
    holders: dict[int, int] = {}  # the containers around it: how long the path to each is
    levels: list[Iterator[tuple[object, object]]] = [iter([(name, value)])]
    while levels:
        for key, part in levels[-1]:
            path[len(levels) - 1 :] = [key]
            fault = (_fault_of_key(path) if len(path) > 1 else None) or _fault_of_value(part, path)
            if fault is not None:
                return fault
            if isinstance(part, dict | list | tuple):
                if id(part) in holders:
                    outer = _place(path, holders[id(part)])
                    return ValueError(f"{_place(path)} is {outer} itself; remove the cycle")
                holders[id(part)] = len(path)
                levels.append(iter(part.items() if isinstance(part, dict) else enumerate(part)))
                break
        else:
            levels.pop()
            if holders:
                holders.popitem()
    return None


def _fault_of_key(path: list[object]) -> TypeError | ValueError | None:
    key, place = path[-1], _place(path, len(path) - 1)
    if key is None or isinstance(key, str | int | float):
        return _fault_of_number(key, f"a key of {place}")
    return TypeError(
        f"a key of {place} is of type {type(key).__name__}; use dicts with keys of type str"
    )


def _fault_of_value(value: object, path: list[object]) -> TypeError | ValueError | None:
    if value is None or isinstance(value, str | int | float | dict | list | tuple):
        return _fault_of_number(value, _place(path))
    return TypeError(f"{_place(path)} is of type {type(value).__name__}; use {ALLOWED}")


def _fault_of_number(value: object, place: str) -> ValueError | None:
    if isinstance(value, float) and not math.isfinite(value):
        return ValueError(f"{place} is {float(value)}; use a finite number or None")
    if isinstance(value, int):
        try:
            int.__repr__(value)
        except ValueError:
            return ValueError(f"{place} is {_too_many_digits()}; use its hex() as a str")
    return None


def _too_many_digits() -> str:
    return f"an int of more than {sys.get_int_max_str_digits()} digits"


def _place(path: list[object], length: int | None = None) -> str:
    """Return an expression for a part of a value, such as ``msg['a'][0]``."""
    place = str(path[0])
    for key in islice(path, 1, length):
        place += f"[{key!r}]"
        if len(place) > LONGEST_PLACE:
            return f"{place[:LONGEST_PLACE]}…"
    return place
