"""Errors for positional arguments where only keywords are allowed, and names in errors."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def keyword_only(function: F) -> F:
    """Remove the catch-all for positional arguments from the signature that help shows.

    With it, Python's own error names the missing keywords instead of counting arguments.
    """
    whole = signature(function)
    shown = [one for one in whole.parameters.values() if one.kind is not Parameter.VAR_POSITIONAL]
    function.__signature__ = whole.replace(parameters=shown)  # type: ignore[attr-defined]
    return function


def of_channel(function: F) -> F:
    """Give a method its public name, which Python shows if the call is not awaited."""
    function.__qualname__ = f"Channel.{function.__name__}"
    return function


def refuse_positional(positional: tuple[object, ...], call: str) -> None:
    """Raise ``TypeError`` for positional arguments, showing the correct call."""
    if positional:
        raise TypeError(f"arguments are passed by name: write {call}")
