"""Calls that a test forgot to await: Python only warns, mooq fails the test."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MOOQ = str(Path(__file__).parents[1])


@contextmanager
def noticing_forgotten_awaits() -> Iterator[None]:
    """Fail a test that forgot an ``await``; if it failed anyway, add a note to its failure.

    Where warnings are errors, Python and pytest already make it a failure.
    """
    __tracebackhide__ = True
    warned: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as warned:
            yield
    except BaseException as error:
        for text in _forgotten(warned):
            error.add_note(text)
        raise
    else:
        if texts := _forgotten(warned):
            pytest.fail("\n".join(texts), pytrace=False)
    finally:
        for one in warned:
            if _call_of_mooq(one) is None:
                warnings.warn_explicit(
                    one.message, one.category, one.filename, one.lineno, source=one.source
                )


def _forgotten(warned: list[warnings.WarningMessage]) -> list[str]:
    return [
        f"{call}(…) was called and never awaited, so it did nothing: add `await`, "
        f"perhaps at {one.filename}:{one.lineno}"
        for one in warned
        if (call := _call_of_mooq(one)) is not None
    ]


def _call_of_mooq(one: warnings.WarningMessage) -> str | None:
    call = one.source
    if inspect.iscoroutine(call) and call.cr_code.co_filename.startswith(MOOQ):
        return call.__qualname__
    return None
