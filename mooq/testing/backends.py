"""Marks and parameters of tests, and the brokers chosen for the run."""

from __future__ import annotations

import sys
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING

import pytest

from mooq.testing.harness import Harness
from mooq.testing.settings import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable


def backend_of(item: pytest.Item) -> str | None:
    """Return the broker that a test was parametrized with, or None."""
    callspec = getattr(item, "callspec", None)
    backend = callspec.params.get("mooq_backend") if callspec is not None else None
    return backend if backend in BACKENDS["all"] else None


SWITCHES = ("mooq_allow_failures", "mooq_allow_leftovers", "mooq_redeliver")
"""The marks that switch something on or off."""


def check_marks(node: pytest.Item) -> None:
    """Fail a test whose mark has an argument that the mark does not take."""
    for mark in node.iter_markers():
        if mark.name in SWITCHES and (mark.kwargs or _are_wrong(mark.args)):
            named = (f"{name}={value!r}" for name, value in mark.kwargs.items())
            pytest.fail(
                f"@pytest.mark.{mark.name} takes no argument, or True, or False to switch it off; "
                f"not {', '.join([*map(repr, mark.args), *named])}",
                pytrace=False,
            )


def _are_wrong(arguments: tuple[object, ...]) -> bool:
    return len(arguments) > 1 or not all(isinstance(one, bool) for one in arguments)


def is_marked(node: pytest.Item, name: str, *, otherwise: bool = False) -> bool:
    """Return whether a test has a mark that is not switched off with False."""
    mark = node.get_closest_marker(name)
    return otherwise if mark is None else mark.args != (False,)


def has_loop(item: pytest.Item) -> bool:
    """Whether a test, or one of its fixtures, is a coroutine that pytest runs in an event loop.

    Tests of unittest classes are run by unittest, which has its own loop.
    """
    unittest = sys.modules.get("unittest.case")  # loaded if it is in use
    if unittest and issubclass(getattr(item, "cls", None) or object, unittest.TestCase):
        return False
    fixtures = getattr(item, "_fixtureinfo", None)  # pytest has no public way to ask
    definitions = [] if fixtures is None else fixtures.name2fixturedefs.values()
    functions = [one.func for all_of_them in definitions for one in all_of_them[-1:]]
    return any(
        iscoroutinefunction(function) or isasyncgenfunction(function)
        for function in (getattr(item, "obj", None), *functions)
    )


def check_backend(backend: object, request: pytest.FixtureRequest) -> None:
    """Skip a test whose broker was not chosen; fail one whose broker is unknown.

    A project can have its own ``mooq_backend`` fixture. Its value is known only now, after
    ``--mooq-backend`` and ``-m`` have selected the tests.
    """
    if backend not in BACKENDS["all"]:
        pytest.fail(
            f"mooq_backend must be 'in_memory' or 'rabbit', not {backend!r}; change your "
            "mooq_backend fixture",
            pytrace=False,
        )
    wanted = Harness.of(request.config).settings.backends
    if backend not in wanted:
        pytest.skip(f"mooq_backend is {backend!r}, but --mooq-backend selects {wanted[0]!r}")
    expression = request.config.option.markexpr
    if backend == "rabbit" and expression and not _selects_rabbit(request.node, expression):
        pytest.skip(f"mooq_backend is 'rabbit', which -m {expression!r} deselects")


def _selects_rabbit(node: pytest.Item | pytest.Collector, expression: str) -> bool:
    from _pytest.mark.expression import Expression  # pytest has no public way to ask

    names = {mark.name for mark in node.iter_markers()} | {"rabbit"}

    def has(name: str, /, **_: object) -> bool:
        return name in names

    matcher: Callable[..., bool] = has
    return bool(Expression.compile(expression).evaluate(matcher))
