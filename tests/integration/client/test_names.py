"""Names of virtual hosts, users and passwords that need quoting in a URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

import mooq
from mooq.basics.address import Address
from mooq.testing.broker import Backend
from mooq.testing.lease import RunningRabbitMQ
from mooq.testing.virtual_hosts import Management

NAMES = ["a%2Fb", "a/b", "%", "100%25", "é ü", "a?b#c", "a+b&c=d", "../x", "a:b@c", "[x]\\"]


@pytest.fixture(params=NAMES)
async def named(
    mooq_backend: Backend, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Backend, Address]]:
    """A broker whose virtual host, user and password have the same unusual name."""
    name = f"mooq-names-{request.param}"
    if mooq_backend == "in_memory":
        address = Address("names", 1, name, name, name)
        async with mooq.InMemoryBroker(
            host="names", port=1, users={name: name}, virtual_hosts=[name]
        ):
            yield mooq_backend, address
        return
    answer: RunningRabbitMQ = request.getfixturevalue("mooq_rabbitmq")
    host, _, port = answer["management"].rpartition(":")
    management = Management(host, int(port), answer["username"], answer["password"])
    quoted = quote(name, safe="")
    everything = dict.fromkeys(("configure", "write", "read"), ".*")
    for path, body in (
        (f"vhosts/{quoted}", {}),
        (f"users/{quoted}", {"password": name, "tags": ""}),
        (f"permissions/{quoted}/{quoted}", everything),
    ):
        await asyncio.to_thread(management._ask, "PUT", path, body)
    try:
        yield mooq_backend, Address(answer["host"], answer["port"], name, name, name)
    finally:
        for path in (f"vhosts/{quoted}", f"users/{quoted}"):
            await asyncio.to_thread(management._ask, "DELETE", path, None)


async def test_unusual_names_work_as_arguments_and_in_urls(named: tuple[Backend, Address]) -> None:
    backend, address = named
    for connection in (
        await mooq.connect(broker=backend, **address.where),
        await mooq.connect(broker=backend, url=address.url),
    ):
        async with connection as conn:
            chan = await conn.create_channel()
            await chan.register_producer(exchange_name="e", exchange_type="fanout")
            await chan.publish(exchange_name="e", msg=1)
