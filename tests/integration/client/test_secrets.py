"""Passwords do not appear in logs, errors, warnings or reprs."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest

import mooq
from mooq.basics.address import Secret
from mooq.testing.broker import Backend
from mooq.testing.lease import RunningRabbitMQ
from mooq.testing.virtual_hosts import Management
from tests.conftest import BrokerAddress
from tests.integration.inbox import FailingInbox
from tests.integration.steps import consume, processing

MARK = "sesame"
PASSWORD = f"open {MARK}/@:%ü"
KEEPER = "keeper of secrets"


@pytest.fixture
async def guarded(
    mooq_backend: Backend, request: pytest.FixtureRequest
) -> AsyncIterator[BrokerAddress]:
    """A broker with a user who has the password."""
    if mooq_backend == "in_memory":
        address: BrokerAddress = {
            "broker": "in_memory",
            "host": "guarded",
            "port": 1,
            "username": KEEPER,
            "password": Secret(PASSWORD),
            "virtual_host": "/",
        }
        async with mooq.InMemoryBroker(host="guarded", port=1, users={KEEPER: PASSWORD}) as broker:
            yield address
            assert MARK not in repr(broker)
        return
    answer: RunningRabbitMQ = request.getfixturevalue("mooq_rabbitmq")
    virtual_host: str = request.getfixturevalue("mooq_virtual_host")
    host, _, port = answer["management"].rpartition(":")
    management = Management(host, int(port), answer["username"], answer["password"])
    user = f"users/{quote(KEEPER)}-{virtual_host}"
    permissions = f"permissions/{virtual_host}/{quote(KEEPER)}-{virtual_host}"
    everything = dict.fromkeys(("configure", "write", "read"), ".*")
    for path, body in ((user, {"password": PASSWORD, "tags": ""}), (permissions, everything)):
        await asyncio.to_thread(management._ask, "PUT", path, body)
    try:
        yield {
            "broker": "rabbit",
            "host": answer["host"],
            "port": answer["port"],
            "username": f"{KEEPER}-{virtual_host}",
            "password": Secret(PASSWORD),
            "virtual_host": virtual_host,
        }
    finally:
        await asyncio.to_thread(management._ask, "DELETE", user, None)


async def provoked(guarded: BrokerAddress) -> list[Exception]:
    """Return errors of every kind that connecting can raise."""
    arguments: list[dict[str, Any]] = [
        {**guarded, "username": "nobody"},
        {**guarded, "password": f"wrong {MARK}"},
        {**guarded, "virtual_host": "missing"},
        {**guarded, "port": guarded["port"] + 1 if guarded["port"] == 1 else 1},
        {**guarded, "host": "no-such-host.invalid"},
        {**guarded, "password": f"{MARK}\ud800"},
        {**guarded, "password": MARK.encode()},
        {**guarded, "timeout": -1},
        {**guarded, "url": f"amqp://{KEEPER}:{MARK}/@{guarded['host']}"},
        {**guarded, "url": f"amqp://{KEEPER}:{MARK}@{guarded['host']}/?password={MARK}"},
        {**guarded, "host": f"amqp://{KEEPER}:{MARK}@{guarded['host']}/"},
        {**guarded, "host": f"{KEEPER}:{MARK}@{guarded['host']}"},
        {**guarded, "broker": f"amqp://{KEEPER}:{MARK}@{guarded['host']}/"},
    ]
    if guarded["broker"] == "rabbit":
        arguments += [{**guarded, "ssl": True}, {**guarded, "timeout": 1e-6}]
    outcomes = await asyncio.gather(
        *(mooq.connect(**one) for one in arguments), return_exceptions=True
    )
    assert all(isinstance(outcome, Exception) for outcome in outcomes), outcomes
    return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


async def used(guarded: BrokerAddress) -> list[object]:
    """Use a connection in every way; return the objects that a user may inspect."""
    place = f"{guarded['host']}:{guarded['port']}/{quote(guarded['virtual_host'], safe='')}"
    url = f"amqp://{quote(guarded['username'])}:{quote(PASSWORD, safe='')}@{place}"
    async with await mooq.connect(url=url, broker=guarded["broker"]) as conn:
        chan, inbox = await conn.create_channel(), FailingInbox("bad")
        await consume(chan, inbox)
        refused: list[object] = []
        for call in (
            chan.publish(exchange_name="missing", msg=1),
            chan.register_producer(exchange_name="log", exchange_type="topic"),
            chan.get("missing"),
        ):
            with pytest.raises(mooq.MooqError) as caught:
                await call
            refused.append(caught.value)
        async with processing(conn):
            await chan.publish(exchange_name="log", msg="bad")
            await inbox.has(2)
        given = [*refused, guarded, conn, chan, conn._transport, conn._address]
        return [*given, *vars(conn).values()]


async def test_password_is_never_shown(
    guarded: BrokerAddress, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("aiormq", "aiormq.connection", "aio_pika", "asyncio", "mooq"):
        caplog.set_level(logging.DEBUG, logger=name)
    asyncio.get_running_loop().set_debug(True)

    errors = await provoked(guarded)
    seen = await used(guarded)
    shown = [
        caplog.text,
        *(repr((record.msg, record.args)) for record in caplog.records),
        *("".join(traceback.format_exception(error)) for error in errors),
        *map(repr, chained(errors)),
        *map(repr, seen),
        *map(str, seen),
        *(str(warning.message) for warning in recwarn),
    ]

    assert [text for text in shown if MARK in text] == []
    assert [text for text in shown if quote(PASSWORD, safe="") in text] == []
    assert "failed; message" in caplog.text  # the checked log is not empty


def chained(errors: list[Exception]) -> list[BaseException]:
    """Return errors with all their causes and contexts."""
    found: dict[int, BaseException] = {}
    left: list[BaseException | None] = [*errors]
    while left:
        error = left.pop()
        if error is not None and id(error) not in found:
            found[id(error)] = error
            left += [error.__cause__, error.__context__]
    return list(found.values())


async def test_harness_hides_the_administrator_password() -> None:
    management = Management("localhost", 1, KEEPER, PASSWORD)
    assert MARK not in repr(management)
    with pytest.raises(mooq.BrokerConnectionError) as caught, suppress(TimeoutError):
        management.version()
    assert not [error for error in chained([caught.value]) if MARK in repr(error)]
