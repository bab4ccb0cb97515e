"""Connection options: heartbeat, channel_max, client name and client properties."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pamqp import commands, frame

import mooq
from tests.conftest import BrokerAddress
from tests.integration.inbox import LONGEST_WAIT
from tests.integration.steps import consume, logged, processing

HEADER = 8  # bytes: AMQP 0 0 9 1


@asynccontextmanager
async def eavesdropping(port: int) -> AsyncIterator[tuple[int, list[bytearray]]]:
    """Forward a port; yield it and the bytes that each client has sent."""
    said: list[bytearray] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(bytearray())
        heard = said[-1]
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(2**16):
                if source is reader:
                    heard.extend(data)
                target.write(data)
            target.close()

        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

    async with await asyncio.start_server(forward, "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1], said


def methods(said: bytearray) -> list[Any]:
    """Return the methods that a client has sent."""
    rest, found = bytes(said[HEADER:]), []
    while rest:
        size, _, method = frame.unmarshal(rest)
        rest = rest[size:]
        found.append(method)
    return found


@pytest.mark.rabbit
async def test_connection_options_are_sent_to_rabbitmq(rabbit_address: BrokerAddress) -> None:
    async with eavesdropping(rabbit_address["port"]) as (port, said):
        address: BrokerAddress = {**rabbit_address, "host": "127.0.0.1", "port": port}
        async with await mooq.connect(
            **address,
            heartbeat=7,
            channel_max=20,
            client_name="billing",
            client_properties={"product": "shop", "zone": {"name": "b", "rack": 3}},
        ) as conn:
            chan = await conn.create_channel()
            await chan.declare_queue("q")
            await chan.publish(exchange_name="", routing_key="q", msg=1)
    names = []
    for one in said:
        (start,) = (m for m in methods(one) if isinstance(m, commands.Connection.StartOk))
        (tune,) = (m for m in methods(one) if isinstance(m, commands.Connection.TuneOk))
        assert (tune.heartbeat, tune.channel_max) == (7, 20)
        properties = start.client_properties
        assert properties is not None
        assert properties["product"] == "shop"
        assert properties["zone"] == {"name": "b", "rack": 3}
        assert properties["capabilities"]["consumer_cancel_notify"] is True  # type: ignore[index, call-overload]
        names.append(properties["connection_name"])
    assert names == ["billing consuming", "billing publishing"]


async def test_channel_max_option_limits_the_channels(
    broker_address: BrokerAddress,
) -> None:
    async with await mooq.connect(**broker_address, channel_max=3) as conn:
        first = await conn.create_channel()
        await conn.create_channel()
        with pytest.raises(
            mooq.BrokerConnectionError,
            match=r"has 2 channels, as many as .* \(channel_max is 3, and mooq uses 1 itself\)",
        ):
            await conn.create_channel()
        await first.close()
        await conn.create_channel()


async def test_heartbeat_of_zero_disables_heartbeats(broker_address: BrokerAddress) -> None:
    async with await mooq.connect(**broker_address, heartbeat=0) as conn:
        chan = await conn.create_channel()
        await chan.publish(exchange_name="", routing_key="nobody", msg=1)


@pytest.mark.rabbit
async def test_connection_loss_names_the_blocking_callback(
    rabbit_address: BrokerAddress, caplog: pytest.LogCaptureFixture
) -> None:
    called = asyncio.Event()

    async def block(message: mooq.IncomingMessage) -> None:
        if not message["redelivered"]:
            time.sleep(4)  # noqa: ASYNC251 - RabbitMQ waits for two heartbeats
        else:
            called.set()

    async with await mooq.connect(**rabbit_address, heartbeat=1) as conn:
        chan = await conn.create_channel()
        await consume(chan, block)
        async with processing(conn):
            await chan.publish(exchange_name="log", msg=1)
            await asyncio.wait_for(called.wait(), LONGEST_WAIT)
    (line,) = (line for line in logged(caplog) if "was lost" in line)
    assert ", since callback test_connection_loss_names_the_blocking_callback" in line
    assert "block, queue 'q', blocked the event loop for 4." in line
    assert "longer than the heartbeat of 1 s allows: await slow work" in line


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"heartbeat": -1}, "^heartbeat must be between 0, for none, and 65534 seconds, not -1$"),
        ({"heartbeat": 1.5}, "^heartbeat must be an int, not float$"),
        ({"heartbeat": True}, "^heartbeat must be an int, not bool$"),
        ({"channel_max": 1}, "^channel_max must be 0, for as many as the broker allows, or betw"),
        ({"channel_max": 65536}, "between 2 and 65535, not 65536: mooq uses 1 itself$"),
        ({"channel_max": "9"}, "^channel_max must be an int, not str$"),
        ({"client_name": ""}, "^client_name must have 1 to 200 bytes$"),
        ({"client_name": "é" * 101}, "^client_name must have 1 to 200 bytes$"),
        ({"client_name": 1}, "^client_name must be a str, not int$"),
        ({"client_properties": [1]}, "^client_properties must be a mapping, not list$"),
        (
            {"client_properties": {"a": {1}}},
            "^client property 'a' contains a set; allowed are None",
        ),
        ({"client_properties": {"capabilities": {}}}, "'capabilities' cannot be set: mooq sets it"),
        ({"client_properties": {"connection_name": "x"}}, "cannot be set: pass client_name$"),
    ],
)
async def test_invalid_options_are_refused_before_connecting(
    options: dict[str, Any], error: str
) -> None:
    for broker in ("rabbit", "in_memory"):
        with pytest.raises((TypeError, ValueError), match=error):
            await mooq.connect("nowhere", 1, broker, **options)


async def test_url_option_error_names_the_argument() -> None:
    with pytest.raises(ValueError, match="'heartbeat': pass heartbeat= instead; 'name': pass cl"):
        await mooq.connect(url="amqp://localhost/?heartbeat=5&name=x")
