"""Messages of other programs: decoding by content type, and undecodable bodies."""

from __future__ import annotations

from typing import Any

import pytest

import mooq
from tests.conftest import BrokerAddress
from tests.integration.foreign import RawMessage, foreigner
from tests.integration.inbox import Inbox
from tests.integration.steps import logged, make_queue, processing

pytestmark = pytest.mark.mooq_allow_failures


@pytest.mark.parametrize(
    ("body", "content_type", "msg"),
    [
        (b'{"a": [1, "\xc3\xa9"]}', "application/json", {"a": [1, "é"]}),
        (b"[1]", "application/json; charset=utf-8", [1]),
        (b"[2]", "APPLICATION/JSON", [2]),
        (b"[3]", "application/vnd.example+json", [3]),
        (b"null", None, None),
        (b"\xc3\xa9", "text/plain", "é"),
        (b"a,b", "text/csv; header=absent", "a,b"),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
        (b"\x00\xff", "unheard of", b"\x00\xff"),
        (b"", "application/octet-stream", b""),
        (b"\xe9", "text/plain; charset=iso-8859-1", "é"),
        (b"\xef\xbb\xbf[1]", "application/json", [1]),
        ("é".encode("utf-16"), "text/plain; charset=utf-16", "é"),
        (b"\xef\xbb\xbfa", "text/plain", "a"),
        (b"[-Infinity]", "application/json", [float("-inf")]),
    ],
)
async def test_content_type_decides_how_a_body_is_decoded(
    conn: mooq.Connection,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    body: bytes,
    content_type: str | None,
    msg: object,
) -> None:
    await make_queue(conn, "q")
    async with foreigner(broker_address) as foreign:
        await foreign.publish(RawMessage(body, content_type, {"h": "x"}, "theirs"), "log")
    message = await chan.get("q")
    assert message["msg"] == msg
    assert message["headers"] == {"h": "x"}
    assert message["message_id"] == "theirs"


async def test_content_encoding_may_name_a_charset(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    await make_queue(conn, "q")
    async with foreigner(broker_address) as foreign:
        await foreign.publish(
            RawMessage(b"\xe9", "text/plain", content_encoding="iso-8859-1"), "log"
        )
    assert (await chan.get("q"))["msg"] == "é"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{oops", "application/json"),
        (b"", "application/json"),
        (b"", None),
        (b'"\xff"', "application/json"),
        (b"[1]", "application/json; charset=klingon"),
        (b"[" * 100_000, "application/json"),
        (b"1" * 5000, "application/json"),
        (b"\xff", "text/plain"),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_undecodable_message_is_dead_lettered(
    conn: mooq.Connection,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    caplog: pytest.LogCaptureFixture,
    body: bytes,
    content_type: str | None,
) -> None:
    inbox = Inbox()
    await make_queue(conn, "grave", exchange_name="graves", exchange_type="fanout")
    await chan.register_consumer(
        "q",
        exchange_name="log",
        exchange_type="direct",
        callback=inbox,
        dead_letter_exchange="graves",
    )
    async with foreigner(broker_address) as foreign:
        await foreign.publish(RawMessage(body, content_type, message_id="theirs"), "log")
        await chan.publish(exchange_name="log", msg="next")
        async with processing(conn):
            assert await inbox.has(1) == ["next"]
            await chan.close()
        dead = await foreign.get("grave")
    assert (dead.body, dead.content_type, dead.message_id) == (body, content_type, "theirs")
    what = f"message theirs (exchange 'log', routing key '', queue 'q', {len(body)} bytes) is"
    assert [text.partition("; ")[2] for text in logged(caplog)] == [
        f"{what} requeued, to be tried once more",
        f"{what} dead-lettered to exchange 'graves'",
    ]


async def test_get_skips_an_undecodable_message(
    conn: mooq.Connection,
    chan: mooq.Channel,
    broker_address: BrokerAddress,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await make_queue(conn, "q")
    async with foreigner(broker_address) as foreign:
        await foreign.publish(RawMessage(b"{oops", "application/json"), "log")
    await chan.publish(exchange_name="log", msg="next")
    assert (await chan.get("q"))["msg"] == "next"
    with pytest.raises(mooq.NothingToConsume):
        await chan.get("q")
    assert [text.rpartition(" is ")[2] for text in logged(caplog)] == [
        "requeued, to be tried once more",
        "rejected: dead-lettered if its queue has a dead-letter exchange, else discarded",
    ]


async def test_headers_of_any_amqp_type_are_received(
    conn: mooq.Connection, chan: mooq.Channel, broker_address: BrokerAddress
) -> None:
    headers: dict[str, Any] = {
        "n": None,
        "b": True,
        "i": 2**40,
        "s": "é",
        "l": [1, "a", [None]],
        "d": {"x": {}},
    }
    await make_queue(conn, "q")
    async with foreigner(broker_address) as foreign:
        await foreign.publish(RawMessage(b"1", headers=headers), "log")
    assert (await chan.get("q"))["headers"] == headers
