"""Positional arguments where only keywords are taken: an error that names the keywords."""

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


def refuse_positional(positional: tuple[object, ...], call: str) -> None:
    """Raise ``TypeError`` for positional arguments, showing how the call is written."""
    if positional:
        raise TypeError(f"arguments are passed by name: write {call}")
