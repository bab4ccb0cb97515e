"""Brokers that last longer than one test: of a class, a module, a package or a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from mooq.testing.backends import check_backend
from mooq.testing.fixtures import (
    address_in_memory,
    address_on,
    leased_virtual_host,
    running,
)
from mooq.testing.harness import Harness

if TYPE_CHECKING:
    from mooq.testing.broker import Backend, Broker
    from mooq.testing.lease import Answer

SCOPES = ("function", "class", "module", "package", "session")
"""The scopes of pytest, the widest last."""


def wide_fixtures(config: pytest.Config) -> ModuleType:
    """Return a plugin with ``mooq_class_broker``, ``mooq_module_broker`` and so on.

    Each is in the event loop that pytest-asyncio gives fixtures, or in that of its own scope where
    the former is narrower.
    """
    plugin = ModuleType("mooq brokers of wider scopes")
    for scope in SCOPES[1:]:
        setattr(plugin, f"mooq_{scope}_broker", _scoped(scope, config)(_broker_of(scope)))
    return plugin


def _scoped(scope: str, config: pytest.Config) -> Callable[[Any], Any]:
    try:
        from pytest_asyncio import fixture
    except ImportError:  # another plugin runs asynchronous fixtures, which takes no mark
        return pytest.fixture(scope=scope)  # type: ignore[call-overload,no-any-return]
    default = config.getini("asyncio_default_fixture_loop_scope") or scope
    loop_scope = max(scope, default, key=SCOPES.index)
    return fixture(scope=scope, loop_scope=loop_scope)  # type: ignore[call-overload,no-any-return]


def _broker_of(scope: str) -> Callable[..., AsyncIterator[Broker]]:
    async def broker_of_scope(
        mooq_backend: Backend, request: pytest.FixtureRequest
    ) -> AsyncIterator[Broker]:
        from mooq.testing.broker import Broker

        check_backend(mooq_backend, request)
        settings = Harness.of(request.config).settings
        with ExitStack() as at_the_end:
            if mooq_backend == "in_memory":
                address = address_in_memory()
            else:
                answer: Answer = request.getfixturevalue("mooq_rabbitmq")
                virtual_host = at_the_end.enter_context(leased_virtual_host(request.config))
                address = address_on(answer, virtual_host)
            broker = Broker(
                mooq_backend, address, redelivers=settings.redelivers, listens_in_thread=True
            )
            async with running(broker, is_strict=settings.is_strict):
                yield broker

    broker_of_scope.__doc__ = f"The broker of a {scope}, which all its tests share."
    return broker_of_scope
