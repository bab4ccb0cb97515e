"""Connections to a broker of several nodes: choice of a node and failover.

The nodes are two in-memory brokers, or two fault proxies before one RabbitMQ.
test_cluster.py uses a real cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

import mooq
from mooq.testing.broker import Backend
from mooq.testing.faults import faults_before
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.steps import consume, processing, unreachable

_ports = count(1)


class Node:
    """One node, which can be made unreachable."""

    def __init__(self, address: BrokerAddress, reachable: AsyncExitStack) -> None:
        self._address = address
        self._reachable = reachable

    @property
    def port(self) -> int:
        return self._address["port"]

    @property
    def url(self) -> str:
        address = self._address
        host = quote(address["virtual_host"], safe="")
        return f"amqp://guest:guest@{address['host']}:{self.port}/{host}"

    @property
    def refusal(self) -> str:
        """The error text when the node is unreachable."""
        return unreachable(self._address["broker"], self._address["host"], self.port)

    async def leave(self) -> None:
        """Close every connection and accept no more."""
        await self._reachable.aclose()


@pytest.fixture
async def nodes(
    mooq_backend: Backend, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Node, Node]]:
    async with AsyncExitStack() as reachable:

        async def node() -> Node:
            its_own = await reachable.enter_async_context(AsyncExitStack())
            if mooq_backend == "rabbit":
                real: BrokerAddress = request.getfixturevalue("rabbit_address")
                faults = await its_own.enter_async_context(faults_before(**real))
                return Node(faults.arguments, its_own)
            broker = mooq.InMemoryBroker(host="cluster", port=next(_ports))
            await its_own.enter_async_context(broker)
            address = BrokerAddress(
                broker=mooq_backend,
                host=broker.host,
                port=broker.port,
                username="guest",
                password="guest",
                virtual_host="/",
            )
            return Node(address, its_own)

        yield await node(), await node()


async def connect(backend: str, *nodes: Node, attempts: int | None = None) -> mooq.Connection:
    return await mooq.connect(
        broker=backend,
        url=[node.url for node in nodes],
        recovery=mooq.Recovery(attempts=attempts),
    )


async def test_first_reachable_node_is_used(
    mooq_backend: Backend, nodes: tuple[Node, Node]
) -> None:
    one, two = nodes
    async with await connect(mooq_backend, one, two) as conn:
        assert conn.port == one.port
    async with await connect(mooq_backend, two, one) as conn:
        assert conn.port == two.port
    await one.leave()
    async with await connect(mooq_backend, one, two) as conn:
        assert conn.port == two.port


async def test_lost_connection_moves_to_the_next_node(
    mooq_backend: Backend, nodes: tuple[Node, Node], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mooq.recovery")
    one, two = nodes
    async with await connect(mooq_backend, one, two) as conn:
        chan, inbox = await conn.create_channel(), Inbox()
        await consume(chan, inbox)
        async with processing(conn):
            await chan.publish(exchange_name="log", msg="before")
            await inbox.has(1)
            await one.leave()
            async with asyncio.timeout(LONGEST_WAIT):
                while conn.port != two.port:  # messages sent to the lost node are unconfirmed
                    await asyncio.gather(
                        chan.publish(exchange_name="log", msg="meanwhile"), return_exceptions=True
                    )
            await chan.publish(exchange_name="log", msg="after")
            await inbox.has_that(lambda: "after" in inbox.bodies, "a message of the second node")
            with pytest.raises(mooq.ExchangeNotFound, match=f":{two.port}, "):
                await chan.publish(exchange_name="missing", msg=1)
    assert f"the connection to {conn.host}:{one.port} was lost; reconnecting" in caplog.messages
    assert f"reconnected to {conn.host}:{two.port}" in caplog.messages


async def test_error_names_every_unreachable_node(
    mooq_backend: Backend, nodes: tuple[Node, Node]
) -> None:
    one, two = nodes
    text = f"cannot connect to any of 2 nodes: {one.refusal}; {two.refusal}"
    async with await connect(mooq_backend, one, two, attempts=1) as conn:
        await one.leave()
        await two.leave()
        with pytest.raises(mooq.BrokerConnectionError) as caught:
            await connect(mooq_backend, one, two)
        assert str(caught.value) == text
        async with asyncio.timeout(LONGEST_WAIT):
            with pytest.raises(mooq.BrokerConnectionError, match="gave up after attempt 1"):
                await conn.process_events()


async def test_refused_login_is_not_tried_at_the_next_node(
    mooq_backend: Backend, nodes: tuple[Node, Node]
) -> None:
    with pytest.raises(
        mooq.BrokerConnectionError, match=rf":{nodes[0].port}: it refused the login"
    ):
        await mooq.connect(
            broker=mooq_backend, url=[node.url for node in nodes], password="not the password"
        )


async def test_empty_list_of_urls_is_refused(mooq_backend: Backend) -> None:
    with pytest.raises(ValueError, match=r"^url is an empty list; name at least one node$"):
        await mooq.connect(broker=mooq_backend, url=[])


async def test_nodes_must_share_a_virtual_host(mooq_backend: Backend) -> None:
    with pytest.raises(ValueError, match=r"^url names several virtual hosts; the nodes of a "):
        await mooq.connect(broker=mooq_backend, url=["amqp://one.example/a", "amqp://two.example"])


async def test_url_list_with_other_types_is_refused(mooq_backend: Backend) -> None:
    urls: Any = ["amqp://one.example", 5672]
    with pytest.raises(TypeError, match=r"^url must be a str, not int$"):
        await mooq.connect(broker=mooq_backend, url=urls)
