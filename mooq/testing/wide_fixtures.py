"""Brokers that last longer than one test: for a class, module, package or session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from mooq.testing.backends import check_backend, has_loop
from mooq.testing.fixtures import (
    address_in_memory,
    address_on,
    failing_for_leftovers,
    leased_virtual_host,
    running,
)
from mooq.testing.harness import Harness

if TYPE_CHECKING:
    from mooq.testing.broker import Backend, Broker
    from mooq.testing.lease import RunningRabbitMQ
    from mooq.testing.sync_broker import SyncBroker

SCOPES = ("function", "class", "module", "package", "session")
"""pytest's scopes, the widest last."""


def wide_fixtures(config: pytest.Config) -> ModuleType:
    """Return a plugin with ``mooq_class_broker``, ``mooq_module_broker`` and so on.

    Each uses the event loop of pytest-asyncio's fixtures, or that of its own scope if that is
    narrower. If only plain functions use it, it needs no loop.
    """
    plugin = ModuleType("mooq brokers of wider scopes")
    for scope in SCOPES[1:]:
        name = f"mooq_{scope}_broker"
        setattr(plugin, name, pytest.fixture(scope=scope)(_broker_of(scope)))  # type: ignore[call-overload]
        setattr(plugin, f"mooq_async_{scope}_broker", _scoped(scope, config)(_async_broker))
        setattr(
            plugin,
            f"mooq_sync_{scope}_broker",
            pytest.fixture(scope=scope)(_sync_broker),  # type: ignore[call-overload]
        )
    return plugin


def _scoped(scope: str, config: pytest.Config) -> Callable[[Any], Any]:
    if not config.pluginmanager.hasplugin("asyncio"):
        # Another plugin runs asynchronous fixtures without a mark.
        return pytest.fixture(scope=scope)  # type: ignore[call-overload,no-any-return]
    from pytest_asyncio import fixture

    default = config.getini("asyncio_default_fixture_loop_scope") or scope
    loop_scope = max(scope, default, key=SCOPES.index)
    return fixture(scope=scope, loop_scope=loop_scope)  # type: ignore[call-overload,no-any-return]


def _broker_of(scope: str) -> Callable[..., Broker | SyncBroker]:
    name = f"mooq_{scope}_broker"

    def broker_of_scope(
        mooq_backend: Backend, request: pytest.FixtureRequest
    ) -> Broker | SyncBroker:
        kind = "async" if _has_loop(request, name) else "sync"
        broker: Broker | SyncBroker = request.getfixturevalue(f"mooq_{kind}_{scope}_broker")
        return broker

    broker_of_scope.__doc__ = f"The broker of a {scope}, which all its tests share."
    return broker_of_scope


def _has_loop(request: pytest.FixtureRequest, name: str) -> bool:
    """Whether a test in the scope that uses this broker has an event loop."""
    node = request.node
    return any(
        has_loop(item)
        for item in request.session.items
        if name in getattr(item, "fixturenames", ()) and (item is node or node in item.listchain())
    )


async def _async_broker(
    mooq_backend: Backend, request: pytest.FixtureRequest
) -> AsyncIterator[Broker]:
    settings = Harness.of(request.config).settings
    with _new_broker(mooq_backend, request) as broker:
        async with running(broker, is_strict=settings.is_strict):
            yield broker


def _sync_broker(mooq_backend: Backend, request: pytest.FixtureRequest) -> Iterator[SyncBroker]:
    from mooq.testing.sync_broker import running_in_thread

    settings = Harness.of(request.config).settings
    with (
        _new_broker(mooq_backend, request) as broker,
        failing_for_leftovers(),
        running_in_thread(broker.running(is_strict=settings.is_strict)) as sync_broker,
    ):
        yield sync_broker


@contextmanager
def _new_broker(backend: Backend, request: pytest.FixtureRequest) -> Iterator[Broker]:
    from mooq.testing.broker import Broker

    check_backend(backend, request)
    settings = Harness.of(request.config).settings
    with ExitStack() as at_the_end:
        if backend == "in_memory":
            address = address_in_memory()
        else:
            answer: RunningRabbitMQ = request.getfixturevalue("mooq_rabbitmq")
            virtual_host = at_the_end.enter_context(leased_virtual_host(request.config))
            address = address_on(answer, virtual_host)
        yield Broker(
            backend,
            address,
            redelivers=settings.redelivers,
            listens_in_thread=True,
            scope=request.scope,
        )
