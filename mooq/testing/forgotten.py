"""Calls of mooq's that a test forgot to await: to Python a warning among many, here a failure."""

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
    """Fail a test that forgot an ``await``; a failure of its own has that as a note beside it.

    Where warnings are errors, Python and pytest make a failure of it themselves.
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
        f"{call}(…) was called and never awaited, so nothing was done: write `await` before it, "
        f"perhaps at {one.filename}:{one.lineno}"
        for one in warned
        if (call := _call_of_mooq(one)) is not None
    ]


def _call_of_mooq(one: warnings.WarningMessage) -> str | None:
    call = one.source
    if inspect.iscoroutine(call) and call.cr_code.co_filename.startswith(MOOQ):
        return call.__qualname__
    return None
