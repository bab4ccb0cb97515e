"""Connecting, and the errors of every failed connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pamqp.frame
import pytest
from pamqp.commands import Connection

import mooq
from tests.conftest import BrokerAddress, Connect
from tests.integration.inbox import LONGEST_WAIT
from tests.integration.steps import bodies_of, make_queue, no_task_left, unreachable


async def failure(**arguments: Any) -> mooq.BrokerConnectionError:
    """Return the error of a connect() that must fail."""
    async with asyncio.timeout(LONGEST_WAIT):
        with pytest.raises(mooq.BrokerConnectionError) as caught:
            await mooq.connect(**arguments)
    assert isinstance(caught.value, ConnectionError)
    return caught.value


@asynccontextmanager
async def port_that(
    does: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A local port with a server that behaves like this."""
    writers = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await does(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reads_and_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(8)
    writer.close()


async def speaks_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(8)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


async def speaks_another_amqp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(8)
    writer.write(b"AMQP\x00\x01\x00\x00")
    await writer.drain()
    writer.close()


async def greets_and_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(8)
    greeting = Connection.Start(
        server_properties={"capabilities": {}}, mechanisms="PLAIN", locales="en_US"
    )
    writer.write(pamqp.frame.marshal(greeting, 0))  # read together with the end of the stream
    writer.close()


@pytest.mark.parametrize("broker", ["in_memory", "rabbit"])
async def test_connecting_to_a_closed_port_fails(broker: str, closed_port: int) -> None:
    error = await failure(host="127.0.0.1", port=closed_port, broker=broker)
    assert str(error) == unreachable(broker, "127.0.0.1", closed_port)
    assert error.transient


async def test_wrong_login_is_refused(broker_address: BrokerAddress) -> None:
    place = f"{broker_address['host']}:{broker_address['port']}"
    for wrong in ({"password": "wrong"}, {"username": "nobody"}):
        credentials = {**broker_address, **wrong}
        error = await failure(**credentials)
        assert str(error) == (
            f"cannot connect to {place}: it refused the login of user "
            f"'{credentials['username']}'; check username and password"
        )
        assert not error.transient


async def test_login_error_hides_the_password(broker_address: BrokerAddress) -> None:
    error = await failure(**{**broker_address, "password": "sesame"})
    shown: BaseException | None = error
    while shown is not None:
        assert "sesame" not in repr(shown)
        shown = shown.__cause__ or shown.__context__


async def test_missing_virtual_host_is_reported(broker_address: BrokerAddress) -> None:
    error = await failure(**{**broker_address, "virtual_host": "missing"})
    assert str(error) == (
        f"cannot connect to {broker_address['host']}:{broker_address['port']}: there is no virtual "
        "host 'missing', or user 'guest' may not use it; create it, or check virtual_host"
    )
    assert not error.transient


async def test_unknown_host_is_reported() -> None:
    error = await failure(host="no-such-host.invalid", port=5672)
    assert str(error).startswith(
        "cannot connect to no-such-host.invalid:5672: the host 'no-such-host.invalid' is unknown ("
    )
    assert str(error).endswith("); check its name")


async def test_silent_port_times_out() -> None:
    async with port_that(is_silent) as port:
        error = await failure(host="127.0.0.1", port=port, timeout=0.1)
        assert str(error) == (
            f"cannot connect to 127.0.0.1:{port}: no answer within 0.1 s; is it a broker, and not "
            "overloaded?"
        )


@pytest.mark.parametrize(
    "does",
    [closes, reads_and_closes, speaks_http, speaks_another_amqp, greets_and_closes],
    ids=lambda f: f.__name__,
)
async def test_server_that_is_not_rabbitmq_is_reported(does: Any) -> None:
    async with port_that(does) as port:
        error = await failure(host="127.0.0.1", port=port)
        text = str(error)
        assert text.startswith(
            f"cannot connect to 127.0.0.1:{port}: the server there is not RabbitMQ, or is not "
            "ready yet ("
        )
        assert text.endswith("); check the port")


async def test_failed_connect_does_not_affect_the_next(
    broker_address: BrokerAddress,
) -> None:
    for _ in range(3):
        await failure(**{**broker_address, "password": "wrong"})
    async with await mooq.connect(**broker_address) as conn:
        await conn.create_channel()


KINDS = {"in_memory": mooq.InMemoryConnection, "rabbit": mooq.RabbitMQConnection}


async def test_unopened_connection_refuses_calls(broker_address: BrokerAddress) -> None:
    arguments: dict[str, Any] = {**broker_address}
    connection = KINDS[arguments.pop("broker")](**arguments)
    with pytest.raises(mooq.BrokerConnectionError, match="is not open yet; await its connect"):
        await connection.create_channel()
    with pytest.raises(mooq.BrokerConnectionError, match="is not open yet; await its connect"):
        await connection.process_events()
    await connection.connect()
    await connection.connect()  # a second time does nothing
    await connection.create_channel()
    await connection.close()


async def test_connection_class_is_opened_by_async_with(broker_address: BrokerAddress) -> None:
    arguments: dict[str, Any] = {**broker_address}
    kind = KINDS[arguments.pop("broker")]
    async with kind(**arguments) as connection:
        assert isinstance(await connection.create_channel(), mooq.Channel)
    await kind(**arguments).close()  # never opened


async def test_concurrent_connects_open_one_connection(
    broker_address: BrokerAddress,
) -> None:
    arguments: dict[str, Any] = {**broker_address}
    async with no_task_left():
        connection = KINDS[arguments.pop("broker")](**arguments)
        await asyncio.gather(*(connection.connect() for _ in range(3)))
        await connection.create_channel()
        await connection.close()


async def test_closing_while_connecting_stays_closed(
    broker_address: BrokerAddress,
) -> None:
    arguments: dict[str, Any] = {**broker_address}
    async with no_task_left():
        connection = KINDS[arguments.pop("broker")](**arguments)
        connecting = asyncio.create_task(connection.connect())
        closing = asyncio.create_task(connection.close())
        outcome = (await asyncio.gather(connecting, closing, return_exceptions=True))[0]
        assert outcome is None or isinstance(outcome, mooq.BrokerConnectionError)
        with pytest.raises(mooq.BrokerConnectionError, match="is closed"):
            await connection.create_channel()


async def test_connections_and_channels_have_names_of_2017(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    if broker_address["broker"] == "in_memory":
        assert isinstance(conn, mooq.InMemoryConnection)
        assert isinstance(chan, mooq.InMemoryChannel)
    else:
        assert isinstance(conn, mooq.RabbitMQConnection)
        assert isinstance(chan, mooq.RabbitMQChannel)
    assert (conn.host, conn.port) == (broker_address["host"], broker_address["port"])


async def test_url_replaces_all_address_arguments(broker_address: BrokerAddress) -> None:
    host, port, virtual_host = (
        broker_address["host"],
        broker_address["port"],
        quote(broker_address["virtual_host"], safe=""),
    )
    url = f"amqp://guest:guest@{host}:{port}/{virtual_host}"
    async with await mooq.connect(url=url, broker=broker_address["broker"]) as conn:
        await make_queue(conn, "q")
        chan = await conn.create_channel()
        await chan.publish(exchange_name="log", msg=1)
    async with await mooq.connect(**broker_address) as conn:
        assert await bodies_of(await conn.create_channel(), "q") == [1]


async def test_arguments_override_the_url(broker_address: BrokerAddress) -> None:
    url = f"amqp://nobody:wrong@{broker_address['host']}:{broker_address['port']}/missing"
    arguments: dict[str, Any] = {**broker_address, "url": url}
    del arguments["host"], arguments["port"]
    async with await mooq.connect(**arguments) as conn:
        await conn.create_channel()
    del arguments["virtual_host"]
    assert "there is no virtual host 'missing'" in str(await failure(**arguments))


BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"broker": "kafka"}, ValueError, "broker must be one of rabbit, in_memory, not 'kafka'"),
    ({"broker": None}, ValueError, "broker must be one of rabbit, in_memory, not None"),
    ({"host": ""}, ValueError, "host is empty"),
    ({"host": None}, TypeError, "host must be a str, not NoneType"),
    ({"port": 0}, ValueError, "port must be between 1 and 65535, not 0"),
    ({"port": 65536}, ValueError, "port must be between 1 and 65535, not 65536"),
    ({"port": "5672"}, TypeError, "port must be an int, not str"),
    ({"port": True}, TypeError, "port must be an int, not bool"),
    ({"username": 5}, TypeError, "username must be a str, not int"),
    ({"username": ""}, ValueError, "username is empty; RabbitMQ requires one"),
    ({"password": ""}, ValueError, "password is empty; RabbitMQ requires one"),
    ({"password": b"x"}, TypeError, "password must be a str, not bytes"),
    ({"virtual_host": ""}, ValueError, "virtual_host is empty"),
    ({"timeout": 0}, ValueError, "timeout must be a positive number of seconds, not 0"),
    ({"timeout": -1}, ValueError, "timeout must be a positive number of seconds, not -1"),
    ({"timeout": "1"}, TypeError, "timeout must be a number of seconds, not str"),
    ({"url": "amqp://guest:@localhost"}, ValueError, "password is empty"),
    ({"url": "amqp://:guest@localhost"}, ValueError, "username is empty"),
    ({"url": "http://localhost"}, ValueError, "url must begin with amqp:// or amqps://"),
    ({"url": "amqp://localhost:port"}, ValueError, "url has a bad host or port"),
    ({"ssl": "yes"}, TypeError, "ssl must be True, False or an ssl.SSLContext, not str"),
    ({"url": "amqps://localhost", "ssl": False}, ValueError, "url asks for TLS .amqps., but ssl "),
    (
        {"url": "amqp://localhost/?no_verify_ssl=1"},
        ValueError,
        "url contains options, which mooq doe",
    ),
    ({"url": "amqp://localhost/?heartbeat=5"}, ValueError, "url contains options, which mooq does"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), BAD_ARGUMENTS)
async def test_invalid_connect_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    for broker in ("in_memory", "rabbit"):
        with pytest.raises(error, match=text):
            await mooq.connect(**{"host": "localhost", "port": 1, "broker": broker, **arguments})


async def test_virtual_hosts_may_have_any_name() -> None:
    names = ["a/b", "a b", "é%2F", "//"]
    async with mooq.InMemoryBroker(host="any-name", port=1, virtual_hosts=names):
        for name in names:
            url = f"amqp://any-name:1/{quote(name, safe='')}"
            async with await mooq.connect(url=url, broker="in_memory") as conn:
                await conn.create_channel()


async def test_closed_in_memory_broker_refuses_connections() -> None:
    broker = mooq.InMemoryBroker(host="closed", port=1)
    await broker.run()
    conn = await mooq.connect(host="closed", port=1, broker="in_memory")
    await broker.close()
    assert str(await failure(host="closed", port=1, broker="in_memory")) == (
        "cannot connect to closed:1: no in-memory broker of this process runs there; start one "
        "with mooq.InMemoryBroker(host='closed', port=1), or connect to a RabbitMQ with "
        'broker="rabbit"'
    )
    await conn.close()


async def test_get_broker_returns_the_running_broker(connect: Connect) -> None:
    conn = await connect()
    async with mooq.InMemoryBroker(host="found", port=1) as broker:
        assert conn.get_broker(host="found", port=1) is broker
    with pytest.raises(mooq.BrokerConnectionError, match="no in-memory broker is running at"):
        conn.get_broker(host="found", port=1)
