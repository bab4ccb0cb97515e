"""Calls as users see them: positional arguments where only keywords are taken, and names."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def keyword_only(function: F) -> F:
    """Leave the catch-all for positional arguments out of the signature that help shows.

    With it, Python itself names the keywords that are missing instead of counting arguments.
    """
    whole = signature(function)
    shown = [one for one in whole.parameters.values() if one.kind is not Parameter.VAR_POSITIONAL]
    function.__signature__ = whole.replace(parameters=shown)  # type: ignore[attr-defined]
    return function


def of_channel(function: F) -> F:
    """Give a method the name that users know it by, which Python says when nobody awaits it."""
    function.__qualname__ = f"Channel.{function.__name__}"
    return function


def refuse_positional(positional: tuple[object, ...], call: str) -> None:
    """Raise ``TypeError`` for positional arguments, showing how the call is written."""
    if positional:
        raise TypeError(f"arguments are passed by name: write {call}")
