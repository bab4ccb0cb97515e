"""Message properties and bodies, exchanged with mooq and with aio-pika."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

import mooq
from tests.conftest import BrokerAddress
from tests.integration.inbox import Inbox
from tests.integration.steps import logged, make_queue, processing

SENT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
PROPERTIES: dict[str, Any] = {
    "correlation_id": "c-1",
    "reply_to": "answers",
    "expiration": 60.5,
    "priority": 3,
    "type": "order",
    "timestamp": SENT,
    "app_id": "shop",
}


async def test_properties_round_trip_through_the_broker(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="", routing_key="q", msg=1, persistent=False, **PROPERTIES)
    message = await chan.get("q")
    assert {name: message[name] for name in PROPERTIES} == PROPERTIES  # type: ignore[literal-required]
    assert not message["persistent"]
    assert (message["content_type"], message["body"]) == ("application/json", b"1")


async def test_properties_reach_a_foreign_consumer(
    conn: mooq.Connection,
    chan: mooq.Channel,
    peer: AbstractChannel,
    broker_address: BrokerAddress,
) -> None:
    await make_queue(conn, "q")
    await chan.publish(
        exchange_name="",
        routing_key="q",
        msg="é",
        content_type="text/plain; charset=latin-1",
        content_encoding="gzip",
        user_id=broker_address.get("username"),
        **PROPERTIES,
    )
    got = await (await peer.get_queue("q")).get(no_ack=True)
    assert got.correlation_id == "c-1"
    assert got.reply_to == "answers"
    assert got.expiration == 60.5
    assert got.priority == 3
    assert got.type == "order"
    assert got.timestamp == SENT
    assert got.app_id == "shop"
    assert got.user_id == broker_address.get("username")
    assert got.content_encoding == "gzip"
    assert got.delivery_mode == aio_pika.DeliveryMode.PERSISTENT


async def test_properties_of_foreign_messages_are_received(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    await make_queue(conn, "q")
    await peer.default_exchange.publish(
        aio_pika.Message(
            b"\x00",
            content_type="image/png",
            correlation_id="c-1",
            reply_to="answers",
            expiration=60.5,
            priority=3,
            type="order",
            timestamp=SENT,
            app_id="shop",
        ),
        "q",
    )
    message = await chan.get("q")
    assert {name: message[name] for name in PROPERTIES} == PROPERTIES  # type: ignore[literal-required]
    assert message["msg"] == message["body"] == b"\x00"
    assert message["content_type"] == "image/png"
    assert message["user_id"] is None


HEADERS: dict[str, Any] = {
    "float": 0.1,
    "nested": [{"bytes": b"\x00\xff", "again": [SENT, None, True]}],
    "decimal": Decimal("1.50"),
    "large": 2**62,
    "text": "é",
}


async def test_headers_of_any_type_round_trip(conn: mooq.Connection, chan: mooq.Channel) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="", routing_key="q", msg=1, headers=HEADERS)
    headers = (await chan.get("q"))["headers"]
    assert headers == HEADERS
    assert type(headers["nested"][0]["bytes"]) is bytes


async def test_headers_reach_a_foreign_consumer(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    await make_queue(conn, "q")
    await chan.publish(exchange_name="", routing_key="q", msg=1, headers=HEADERS)
    got = await (await peer.get_queue("q")).get(no_ack=True)
    assert got.headers == HEADERS


async def test_forwardable_headers_can_be_published(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    await make_queue(conn, "dead")
    await peer.declare_queue(
        "q", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    )
    await chan.publish(exchange_name="", routing_key="q", msg=1, headers=HEADERS, expiration=0.01)
    message = await chan.get("dead", timeout=30)
    assert message["headers"].keys() > HEADERS.keys()
    with pytest.raises(ValueError, match=r"mooq\.forwardable_headers\(\)"):
        await chan.publish(exchange_name="", routing_key="dead", msg=2, headers=message["headers"])
    kept = mooq.forwardable_headers(message["headers"])
    await chan.publish(exchange_name="", routing_key="dead", msg=2, headers=kept)
    assert (await chan.get("dead"))["headers"] == kept == HEADERS


@pytest.mark.parametrize(
    ("msg", "content_type", "content_encoding"),
    [
        (b"\x00\xff", "application/octet-stream", None),
        ("é", "text/plain; charset=latin-1", None),
        ("é", "text/plain", "gzip"),
        ({"a": ["é"]}, None, "deflate"),
        ([1], "application/vnd.example+json", "utf-16"),
    ],
)
async def test_body_of_any_content_type_round_trips(
    conn: mooq.Connection,
    chan: mooq.Channel,
    msg: object,
    content_type: str | None,
    content_encoding: str | None,
) -> None:
    await make_queue(conn, "q")
    await chan.publish(
        exchange_name="",
        routing_key="q",
        msg=msg,
        content_type=content_type,
        content_encoding=content_encoding,
    )
    message = await chan.get("q")
    assert message["msg"] == msg
    assert message["content_type"] == (content_type or "application/json")
    assert message["content_encoding"] == content_encoding


async def test_user_id_of_another_user_is_refused(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    with pytest.raises(ValueError, match="user_id must be the user of the connection to"):
        await chan.publish(exchange_name="", routing_key="q", msg=1, user_id="somebody")
    await chan.publish(exchange_name="", routing_key="q", msg=2)
    assert (await chan.get("q"))["msg"] == 2


async def test_expired_message_is_dead_lettered(
    conn: mooq.Connection, chan: mooq.Channel, peer: AbstractChannel
) -> None:
    await peer.declare_exchange("dead", "fanout", durable=True)
    dead = await peer.declare_queue("dead", durable=True)
    await dead.bind("dead")
    await peer.declare_queue("q", arguments={"x-dead-letter-exchange": "dead"})
    await chan.publish(exchange_name="", routing_key="q", msg=1, expiration=0.01)
    message = await chan.get("dead", timeout=30)
    assert message["headers"]["x-death"][0]["reason"] == "expired"
    assert message["expiration"] is None


@pytest.mark.mooq_allow_failures
async def test_callback_can_get_undecodable_body_as_bytes(
    conn: mooq.Connection, chan: mooq.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    await chan.register_consumer(
        "q",
        exchange_name="e",
        exchange_type="fanout",
        callback=inbox,
        undecodable_as_bytes=True,
    )
    async with processing(conn):
        await chan.publish(exchange_name="e", msg=b"{", content_type="application/json")
        assert await inbox.has(1) == [b"{"]
    assert logged(caplog) == []


@pytest.mark.mooq_allow_failures
async def test_get_can_return_undecodable_body_as_bytes(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await chan.publish(
        exchange_name="", routing_key="q", msg=b"{", content_type="application/a+json"
    )
    assert (await chan.get("q", undecodable_as_bytes=True))["msg"] == b"{"
