"""Errors about JSON in mooq's words: those of Python differ from one version of it to the next."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from json import JSONDecodeError

ALLOWED = "None, bool, int, float, str, and lists and dicts of these"
LONGEST_PLACE = 80  # characters


class NotJSON(ValueError):
    """A value that the json module reads although JSON has none like it."""


def encoding_error(msg: object, cause: Exception) -> TypeError | ValueError:
    """Return the error for a message that could not be encoded, naming what is wrong and where.

    ``cause`` is what the encoder raised.
    """
    try:
        fault = _first_fault(msg)
    except (RecursionError, TypeError, ValueError):  # of a dict or list with methods of its own
        fault = None
    if fault is not None:
        return fault
    if isinstance(cause, RecursionError):
        return ValueError("msg is not JSON: it is nested too deeply; flatten it")
    kind = TypeError if isinstance(cause, TypeError) else ValueError
    return kind(
        f"msg is not JSON: an object in it raised {type(cause).__name__} when it was read; "
        f"publish {ALLOWED}"
    )


def decoding_error(error: ValueError | RecursionError) -> str:
    """Return why a body could not be decoded as text or JSON."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, NotJSON):
        return str(error)
    if isinstance(error, JSONDecodeError):
        return f"it is malformed at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not {error.encoding.upper()}"
    # The json module raises nothing else, and this for the sake of int() alone.
    return f"it holds {_too_many_digits()}"


def _first_fault(msg: object) -> TypeError | ValueError | None:
    """Look through a message, in order and however deeply it is nested."""
    path: list[object] = []  # the keys and indexes that lead to the current value
    holders: dict[int, int] = {}  # the containers around it: how long the path to each is
    levels: list[Iterator[tuple[object, object]]] = [iter([(None, msg)])]
    while levels:
        for key, value in levels[-1]:
            path[len(levels) - 1 :] = [key]
            fault = _fault_of_key(key, path[1:-1]) or _fault_of_value(value, path[1:])
            if fault is not None:
                return fault
            if isinstance(value, dict | list | tuple):
                if id(value) in holders:
                    outer = _place(path[1 : holders[id(value)]])
                    return ValueError(
                        f"msg is not JSON: {_place(path[1:])} is {outer} itself; publish a value "
                        "that does not contain itself"
                    )
                holders[id(value)] = len(path)
                levels.append(iter(value.items() if isinstance(value, dict) else enumerate(value)))
                break
        else:
            levels.pop()
            if holders:
                holders.popitem()
    return None


def _fault_of_key(key: object, path: list[object]) -> TypeError | ValueError | None:
    if key is None or isinstance(key, str | int | float):
        return _fault_of_number(key, f"a key of {_place(path)}")
    return TypeError(
        f"msg is not JSON: a key of {_place(path)} is of type {type(key).__name__}; publish dicts "
        "with keys of type str"
    )


def _fault_of_value(value: object, path: list[object]) -> TypeError | ValueError | None:
    if value is None or isinstance(value, str | int | float | dict | list | tuple):
        return _fault_of_number(value, _place(path))
    return TypeError(
        f"msg is not JSON: {_place(path)} is of type {type(value).__name__}; publish {ALLOWED}"
    )


def _fault_of_number(value: object, place: str) -> ValueError | None:
    if isinstance(value, float) and not math.isfinite(value):
        return ValueError(
            f"msg is not JSON: {place} is {float(value)}; publish a finite number or None"
        )
    if isinstance(value, int):
        try:
            int.__repr__(value)
        except ValueError:
            return ValueError(
                f"msg is not JSON: {place} is {_too_many_digits()}; publish its hex() as a str"
            )
    return None


def _too_many_digits() -> str:
    return f"an int of more than {sys.get_int_max_str_digits()} digits"


def _place(path: list[object]) -> str:
    """Return an expression for a part of a message, such as ``msg['a'][0]``."""
    place = "msg"
    for key in path:
        place += f"[{key!r}]"
        if len(place) > LONGEST_PLACE:
            return f"{place[:LONGEST_PLACE]}…"
    return place
