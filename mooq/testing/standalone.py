"""A broker for tests that are not run by pytest's fixtures, such as those of unittest."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from mooq.basics.address import Address, check_port
from mooq.testing.broker import Broker
from mooq.testing.virtual_hosts import MANAGEMENT_PORT, Management

_serial = itertools.count(1)


@asynccontextmanager
async def running_broker(
    url: str | None = None,
    *,
    management_port: int = MANAGEMENT_PORT,
    strict: bool = False,
    has_faults: bool = False,
    redelivers: bool = False,
) -> AsyncIterator[Broker]:
    """Have a broker of one's own within the block, as the fixture ``mooq_broker`` gives it.

    It is in memory unless ``url`` names a RabbitMQ that runs (``amqp://user:password@host:port``).
    There it is a virtual host, which is made by the management API at ``management_port`` of the
    same host and deleted at the end. ``strict`` is as ``--mooq-strict``, ``redelivers`` as
    ``--mooq-redeliver``, and ``has_faults`` is for :attr:`Broker.faults`.

    Raises what callbacks raised, :class:`~mooq.testing.leftovers.Leftovers` if ``strict``, and
    :class:`~mooq.BrokerConnectionError`. Needs no pytest.
    """
    async with AsyncExitStack() as at_the_end:
        if url is None:
            serial = next(_serial)
            address = Address(f"standalone-{serial}", virtual_host=f"mooq-{serial}")
        else:
            address = await _virtual_host(
                Address.from_url(url), check_port(management_port), at_the_end
            )
        broker = Broker(
            "in_memory" if url is None else "rabbit",
            address,
            has_faults=has_faults,
            redelivers=redelivers,
        )
        async with broker.running(is_strict=strict):
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
