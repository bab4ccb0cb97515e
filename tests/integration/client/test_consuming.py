"""Consuming: order of messages, turns of consumers, prefetch and redelivery."""

from __future__ import annotations

import asyncio
import functools
from typing import Any
from unittest.mock import AsyncMock

import pytest

import mooq
from tests.conftest import Connect
from tests.integration.inbox import LONGEST_WAIT, HeldInbox, Inbox, Refusal
from tests.integration.steps import (
    bodies_of,
    consume,
    cycles_until,
    drained,
    make_queue,
    processing,
    publish_each,
)


class Turns:
    """Consumers of one queue, each on its own channel, and the messages each received."""

    def __init__(self, connection: mooq.Connection, publisher: mooq.Channel) -> None:
        self._connection = connection
        self._publisher = publisher
        self._channels: dict[str, mooq.Channel] = {}
        self._served: list[tuple[int, str]] = []
        self._published = 0

    async def add(self, *names: str) -> None:
        for name in names:
            self._channels[name] = await self._connection.create_channel()

            async def serve(message: mooq.IncomingMessage, name: str = name) -> None:
                self._served.append((message["msg"], name))

            await self._channels[name].register_consumer(
                "q", exchange_name="log", exchange_type="direct", callback=serve
            )

    async def cancel(self, name: str) -> None:
        await self._channels.pop(name).close()

    async def publish(self, count: int) -> str:
        """Publish this many numbers; return which consumer received each."""
        self._served.clear()
        for _ in range(count):
            await self._publisher.publish(exchange_name="log", msg=self._published)
            self._published += 1
        await self._connection.process_events(num_cycles=1)
        return " ".join(f"{number}{name}" for number, name in sorted(self._served))


@pytest.fixture
def turns(conn: mooq.Connection, chan: mooq.Channel) -> Turns:
    return Turns(conn, chan)


async def test_consumers_take_turns_in_registration_order(turns: Turns) -> None:
    await turns.add("A", "B", "C")
    assert await turns.publish(9) == "0A 1B 2C 3A 4B 5C 6A 7B 8C"


async def test_turns_continue_as_consumers_join_and_leave(turns: Turns) -> None:
    await turns.add("A", "B", "C")
    assert await turns.publish(7) == "0A 1B 2C 3A 4B 5C 6A"
    await turns.add("D")
    assert await turns.publish(9) == "7B 8C 9A 10D 11B 12C 13A 14D 15B"
    await turns.cancel("B")
    assert await turns.publish(8) == "16C 17A 18D 19C 20A 21D 22C 23A"
    await turns.add("B")
    assert await turns.publish(8) == "24D 25C 26A 27B 28D 29C 30A 31B"


async def test_new_consumer_gets_the_last_turn(turns: Turns) -> None:
    await turns.add("A", "B")
    assert await turns.publish(1) == "0A"
    await turns.add("C")
    assert await turns.publish(6) == "1B 2A 3C 4B 5A 6C"


async def test_cancelled_consumer_passes_its_turn_on(turns: Turns) -> None:
    await turns.add("A", "B", "C")
    assert await turns.publish(1) == "0A"
    await turns.cancel("B")
    assert await turns.publish(4) == "1C 2A 3C 4A"


async def test_two_consumers_of_one_channel_take_turns(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inboxes = [await consume(chan, Inbox()) for _ in range(2)]
    await publish_each(chan, range(6))
    await conn.process_events(num_cycles=1)
    assert [inbox.bodies for inbox in inboxes] == [[0, 2, 4], [1, 3, 5]]


async def test_first_consumer_gets_the_waiting_messages(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await publish_each(chan, range(6))
    inboxes = [await consume(chan, Inbox()) for _ in range(2)]
    await conn.process_events(num_cycles=1)
    assert [inbox.bodies for inbox in inboxes] == [[0, 1, 2, 3, 4, 5], []]


async def test_prefetch_count_limits_waiting_messages(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    await make_queue(conn, "q")
    await publish_each(chan, range(6))
    inboxes = [await consume(chan, HeldInbox(), prefetch_count=2) for _ in range(2)]
    async with processing(conn):
        await inboxes[0].has(2)
        await inboxes[1].has(2)
        assert [inbox.bodies for inbox in inboxes] == [[0, 1], [2, 3]]
        assert await bodies_of(chan, "q") == [4, 5]
        for inbox in inboxes:
            inbox.open()


async def test_message_held_by_a_consumer_cannot_be_got(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, HeldInbox(), prefetch_count=1)
    async with processing(conn):
        await publish_each(chan, range(3))
        await inbox.has(1)
        assert (await chan.get("q"))["msg"] == 1
        inbox.open()
        assert await inbox.has(2) == [0, 2]


async def test_prefetch_of_one_serves_the_free_consumer(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    first, second = [await consume(chan, HeldInbox(), prefetch_count=1) for _ in range(2)]
    async with processing(conn):
        await publish_each(chan, range(6))
        assert await first.has(1) == [0]
        assert await second.has(1) == [1]
        second.let_go(1)
        assert await second.has(2) == [1, 2]
        second.let_go(2)
        assert await second.has(3) == [1, 2, 3]
        first.let_go(0)
        assert await first.has(2) == [0, 4]
        second.let_go(3)
        assert await second.has(4) == [1, 2, 3, 5]
        first.open()
        second.open()


async def test_prefetch_count_limits_running_callbacks(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    running = most = 0
    inbox = Inbox()

    async def count(message: mooq.IncomingMessage) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        inbox.keep(message)
        await inbox.has(min(3 * (1 + message["msg"] // 3), 20))
        running -= 1

    await consume(chan, count, prefetch_count=3)
    async with processing(conn):
        await publish_each(chan, range(20))
        assert sorted(await inbox.has(20)) == list(range(20))
    assert most == 3


async def test_callbacks_start_in_queue_order(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = await consume(chan, HeldInbox())
    async with processing(conn):
        await publish_each(chan, range(50))
        assert await inbox.has(50) == list(range(50))
        inbox.open()


async def test_message_is_acknowledged_after_its_callback(
    connect: Connect, conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inbox = await consume(chan, HeldInbox())
    await chan.publish(exchange_name="log", msg="kept")
    await chan.publish(exchange_name="log", msg="done")
    other = await (await connect()).create_channel()
    async with processing(conn):
        await inbox.has(2)
        inbox.let_go("done")
        with pytest.raises(mooq.NothingToConsume):
            await other.get("q")
        await chan.close(timeout=0.01)  # cancels the callback of "kept"
    assert await bodies_of(other, "q") == ["kept"]


@pytest.mark.parametrize(
    "done", [(), (1,), (0, 1, 2), (1, 2), (0, 1, 3, 4), (4, 0), (3, 2, 1, 0)], ids=str
)
async def test_closed_channel_requeues_messages_in_order(
    conn: mooq.Connection, chan: mooq.Channel, done: tuple[int, ...]
) -> None:
    holder = await conn.create_channel()
    inbox = await consume(holder, HeldInbox(), prefetch_count=5)
    delivered = 5 + len(done)
    async with processing(conn):
        await publish_each(chan, range(10))
        await inbox.has(5)
        inbox.let_go(*done)
        await inbox.has(delivered)  # so the finished ones were acknowledged
        await holder.close(timeout=0.01)
    left = [(message["msg"], message["redelivered"]) for message in await drained(chan, "q")]
    assert left == [(number, number < delivered) for number in range(10) if number not in done]


async def test_callback_may_be_any_callable(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = Inbox()
    mock = AsyncMock()

    async def with_more(more: int, message: mooq.IncomingMessage) -> None:
        inbox.keep(message)

    callbacks: list[Any] = [
        mock,
        functools.partial(with_more, 1),
        inbox.__call__,
        lambda message: inbox(message),
        lambda message: asyncio.ensure_future(inbox(message)),
    ]
    for callback in callbacks:
        await chan.register_consumer(exchange_name="log", exchange_type="fanout", callback=callback)
    await chan.publish(exchange_name="log", msg="m")
    await cycles_until(conn, lambda: len(inbox.messages) == 4 and mock.called, "each callback")
    mock.assert_awaited_once()
    assert mock.await_args is not None
    assert mock.await_args.args[0]["msg"] == "m"


async def test_callback_receives_a_plain_dict(conn: mooq.Connection, chan: mooq.Channel) -> None:
    inbox = Inbox()
    await chan.register_consumer(
        "q", "k", exchange_name="log", exchange_type="direct", callback=inbox
    )
    await chan.publish(
        exchange_name="log", msg={"a": [1]}, routing_key="k", headers={"h": 1}, message_id="me"
    )
    await conn.process_events(num_cycles=1)
    assert type(inbox.messages[0]) is dict
    assert inbox.messages == [
        {
            "msg": {"a": [1]},
            "routing_key": "k",
            "exchange_name": "log",
            "redelivered": False,
            "headers": {"h": 1},
            "message_id": "me",
            "body": b'{"a":[1]}',
            "content_type": "application/json",
            "content_encoding": None,
            "persistent": True,
            "correlation_id": None,
            "reply_to": None,
            "expiration": None,
            "priority": None,
            "type": None,
            "timestamp": None,
            "user_id": None,
            "app_id": None,
        }
    ]


async def test_consumers_get_independent_messages(
    conn: mooq.Connection, chan: mooq.Channel
) -> None:
    inboxes = Inbox(), Inbox()
    for inbox in inboxes:
        await chan.register_consumer(exchange_name="log", exchange_type="fanout", callback=inbox)
    published: dict[str, list[int]] = {"a": [1]}
    headers = {"h": [1]}
    await chan.publish(exchange_name="log", msg=published, headers=headers)
    published["a"].append(2)
    headers["h"].append(2)
    await conn.process_events(num_cycles=1)
    inboxes[0].messages[0]["msg"]["a"].append(3)
    inboxes[0].messages[0]["headers"]["h"] = "changed"
    assert inboxes[1].messages[0]["msg"] == {"a": [1]}
    assert inboxes[1].messages[0]["headers"] == {"h": [1]}


async def test_callback_may_use_its_own_channel(conn: mooq.Connection, chan: mooq.Channel) -> None:
    replies, later = Inbox(), Inbox()
    await chan.register_consumer(
        "r", "r", exchange_name="log", exchange_type="direct", callback=replies
    )
    await make_queue(conn, "store", "store")

    async def do_everything(message: mooq.IncomingMessage) -> None:
        await chan.register_producer(exchange_name="more", exchange_type="fanout")
        await chan.register_consumer(
            "late", exchange_name="more", exchange_type="fanout", callback=later
        )
        await chan.publish(exchange_name="more", msg="more")
        await chan.publish(exchange_name="log", msg="stored", routing_key="store")
        stored = await chan.get("store", timeout=LONGEST_WAIT)
        with pytest.raises(mooq.NothingToConsume):
            await chan.get("store")
        with pytest.raises(mooq.ExchangeNotFound):
            await chan.publish(exchange_name="missing", msg=1)
        await chan.delete_queue("store")
        await chan.publish(exchange_name="log", msg=stored["msg"], routing_key="r")

    await chan.register_consumer(
        "q", "q", exchange_name="log", exchange_type="direct", callback=do_everything
    )
    async with processing(conn):
        await chan.publish(exchange_name="log", msg="go", routing_key="q")
        assert await replies.has(1) == ["stored"]
        assert await later.has(1) == ["more"]


@pytest.mark.mooq_allow_failures
async def test_ten_workers_process_every_message_once(connect: Connect, chan: mooq.Channel) -> None:
    seen: dict[int, int] = {}
    inbox = Inbox()

    async def work(message: mooq.IncomingMessage) -> None:
        number = message["msg"]
        seen[number] = seen.get(number, 0) + 1
        await asyncio.sleep(0)
        if number % 7 == 0 and not message["redelivered"]:
            raise Refusal("the first time")
        inbox.keep(message)

    connections = [await connect() for _ in range(2)]
    for connection in connections:
        for _ in range(5):
            worker = await connection.create_channel()
            await worker.register_consumer(
                "q",
                exchange_name="log",
                exchange_type="direct",
                callback=work,
                prefetch_count=1,
            )
    async with processing(*connections):
        await asyncio.gather(
            *(chan.publish(exchange_name="log", msg=number) for number in range(200))
        )
        assert sorted(await inbox.has(200)) == list(range(200))
    assert seen == {number: 2 if number % 7 == 0 else 1 for number in range(200)}
