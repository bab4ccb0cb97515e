"""A broker for tests without pytest's fixtures, such as those of unittest."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from types import TracebackType

from mooq.basics.address import Address, check_port
from mooq.testing.broker import Broker
from mooq.testing.rabbitmq_settings import MANAGEMENT_PORT
from mooq.testing.sync_broker import SyncBroker, running_in_thread
from mooq.testing.virtual_hosts import Management

_serial = itertools.count(1)


class running_broker:  # noqa: N801 - it is called, as a context manager is
    """Run a broker for the block, like the one of the fixture ``mooq_broker``.

    ``async with`` gives a :class:`~mooq.testing.broker.Broker`. ``with`` gives a
    :class:`~mooq.testing.sync_broker.SyncBroker`, which needs no event loop. The broker is in
    memory, unless ``url`` names a running RabbitMQ (``amqp://user:password@host:port``). There it
    is a new virtual host, created through the management API at ``management_port`` of the same
    host, and deleted at the end. ``strict`` is like ``--mooq-strict``, ``redelivers`` like
    ``--mooq-redeliver``, and ``has_faults`` is for :attr:`Broker.faults`.

    Raises the exceptions of callbacks, :class:`~mooq.testing.leftovers.Leftovers` if ``strict``,
    and :class:`~mooq.BrokerConnectionError`. Needs no pytest.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        management_port: int = MANAGEMENT_PORT,
        strict: bool = False,
        has_faults: bool = False,
        redelivers: bool = False,
    ) -> None:
        self._url = url
        self._management_port = management_port
        self._is_strict = strict
        self._has_faults = has_faults
        self._redelivers = redelivers
        self._async: AbstractAsyncContextManager[Broker] | None = None
        self._sync: AbstractContextManager[SyncBroker] | None = None

    async def __aenter__(self) -> Broker:
        self._async = self._running()
        return await self._async.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._async is not None
        return await self._async.__aexit__(kind, error, traceback)

    def __enter__(self) -> SyncBroker:
        self._sync = running_in_thread(self._running())
        return self._sync.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._sync is not None
        return self._sync.__exit__(kind, error, traceback)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[Broker]:
        async with AsyncExitStack() as at_the_end:
            if self._url is None:
                serial = next(_serial)
                address = Address(f"standalone-{serial}", virtual_host=f"mooq-{serial}")
            else:
                address = await _virtual_host(
                    Address.from_url(self._url), check_port(self._management_port), at_the_end
                )
            broker = Broker(
                "in_memory" if self._url is None else "rabbit",
                address,
                has_faults=self._has_faults,
                redelivers=self._redelivers,
            )
            async with broker.running(is_strict=self._is_strict):
                try:
                    yield broker
                    broker.raise_failures("callbacks failed")
                except BaseException:
                    broker.has_failed = True
                    raise


async def _virtual_host(where: Address, port: int, at_the_end: AsyncExitStack) -> Address:
    """Return the address of a new virtual host, deleted ``at_the_end``."""
    management = Management(where.host, port, where.username, where.password)
    name = f"mooq-{uuid.uuid4().hex[:12]}"
    at_the_end.push_async_callback(asyncio.to_thread, management.delete, name)
    await asyncio.to_thread(management.make, name, "of a test that uses mooq")
    return Address(where.host, where.port, where.username, where.password, name)
