"""Lifetimes of queues, deliveries and connections in the in-memory broker."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from mooq.errors import Refused
from mooq.transports.declarations import Exchange, Queue
from mooq.transports.direct import DirectBroker, DirectChannel, DirectConnection
from mooq.transports.message import Message, Outcome
from tests.unit.driving import Log, connect, exists, get, rest, send

# Exclusive and auto-delete queues


def test_exclusive_queue_ends_with_its_connection(
    connection: DirectConnection, channel: DirectChannel, other: DirectChannel
) -> None:
    name = channel.declare_queue(Queue("", exclusive=True))
    channel.close()
    assert exists(connection.channel(), name)
    connection.close()
    assert not exists(other, name)


def test_exclusive_queue_is_locked_to_its_connection(
    connection: DirectConnection, channel: DirectChannel, other: DirectChannel, log: Log
) -> None:
    channel.declare_exchange(Exchange("e", "direct"))
    name = channel.declare_queue(Queue("mine", exclusive=True))
    for act in (
        lambda: other.declare_queue(Queue(name, exclusive=True)),
        lambda: other.declare_queue(Queue(name)),
        lambda: other.bind(name, "e", "k"),
        lambda: log.consume(other, name, "A"),
        lambda: other.get(name),
        lambda: other.delete_queue(name),
    ):
        with pytest.raises(Refused, match="cannot obtain exclusive access") as refused:
            act()
        assert refused.value.code == 405
    sibling = connection.channel()
    sibling.bind(name, "e", "k")
    log.consume(sibling, name, "B")
    sibling.delete_queue(name)
    assert not exists(channel, name)


def test_exclusive_queue_name_is_free_after_its_owner(
    connection: DirectConnection, channel: DirectChannel, other: DirectChannel
) -> None:
    channel.declare_queue(Queue("mine", exclusive=True))
    connection.close()
    assert other.declare_queue(Queue("mine")) == "mine"


def test_auto_delete_queue_ends_with_its_last_consumer(channel: DirectChannel, log: Log) -> None:
    channel.declare_queue(Queue("ad", auto_delete=True))
    tags = [log.consume(channel, "ad", name, prefetch=1) for name in "AB"]
    send(channel, "0", "1", "2", queue="ad")
    channel.cancel(tags[0])
    assert exists(channel, "ad")
    channel.cancel(tags[1])
    assert not exists(channel, "ad")
    channel.settle(log.held[0].receipt, Outcome.REQUEUE)
    assert log.told == ["0 A", "1 B"]


def test_auto_delete_queue_ends_with_its_last_channel(
    channel: DirectChannel, other: DirectChannel, log: Log
) -> None:
    channel.declare_queue(Queue("ad", auto_delete=True))
    for user in (channel, other):
        log.consume(user, "ad", "A")
    send(channel, "m", queue="ad")
    other.close()
    assert exists(channel, "ad")
    channel.close()
    assert log.told == ["m A"]  # a consumer's own cancellation is not notified


def test_auto_delete_queue_without_a_consumer_is_kept(
    connection: DirectConnection, channel: DirectChannel, other: DirectChannel
) -> None:
    channel.declare_queue(Queue("ad", auto_delete=True))
    send(channel, "m", queue="ad")
    assert rest(channel, "ad") == ["m"]
    connection.close()
    assert exists(other, "ad")


def test_shared_queue_is_kept_without_consumers(
    channel: DirectChannel, other: DirectChannel, log: Log
) -> None:
    channel.cancel(log.consume(channel, "q", "A"))
    log.consume(channel, "q", "B")
    channel.close()
    assert exists(other, "q")


def test_unnamed_queue_ends_with_its_consumer_channel(
    connection: DirectConnection, channel: DirectChannel, log: Log
) -> None:
    name = channel.declare_queue(Queue.for_consumer(None))
    log.consume(channel, name, "A")
    channel.close()
    assert not exists(connection.channel(), name)


# Ends of channels and connections


@pytest.fixture(params=["channel", "connection", "all connections"])
def end(
    request: pytest.FixtureRequest,
    broker: DirectBroker,
    connection: DirectConnection,
    channel: DirectChannel,
) -> Iterator[Callable[[], None]]:
    """Each way in which a channel can end."""
    yield {
        "channel": channel.close,
        "connection": connection.close,
        "all connections": broker.drop_connections,
    }[request.param]
    assert not channel.is_open


def test_ended_channel_requeues_its_deliveries(
    broker: DirectBroker, channel: DirectChannel, log: Log, end: Callable[[], None]
) -> None:
    send(channel, *"012345")
    get(channel)
    tag = log.consume(channel, "q", "A", prefetch=2)
    channel.cancel(tag)
    log.consume(channel, "q", "B", prefetch=1)
    channel.settle(log.held[1].receipt, Outcome.ACKNOWLEDGE)
    end()
    assert log.told == ["1 A", "2 A", "3 B"]
    assert rest(connect(broker).channel()) == ["0 R", "1 R", "3 R", "4", "5"]


def test_channel_releases_deleted_queues(channel: DirectChannel) -> None:
    def deleted_queue() -> weakref.ref[object]:
        channel.declare_queue(Queue("brief"))
        send(channel, "m", queue="brief")
        queue: weakref.ref[object] = weakref.ref(channel.rules.connection.host.queues["brief"])
        delivery = get(channel, "brief")
        channel.delete_queue("brief")
        channel.settle(delivery.receipt, Outcome.ACKNOWLEDGE)
        return queue

    gone = deleted_queue()
    gc.collect()
    assert gone() is None


def test_connection_releases_closed_channels(
    connection: DirectConnection,
) -> None:
    channel = connection.channel()
    rules: weakref.ref[object] = weakref.ref(channel.rules)
    channel.close()
    del channel
    gc.collect()
    assert rules() is None


def test_ended_channel_gets_no_deliveries(
    broker: DirectBroker, channel: DirectChannel, log: Log, end: Callable[[], None]
) -> None:
    log.consume(channel, "q", "A")
    end()
    send(connect(broker).channel(), "m")
    assert log.told == []


def test_late_settlement_does_not_settle_a_redelivery(
    broker: DirectBroker, channel: DirectChannel, log: Log, end: Callable[[], None]
) -> None:
    send(channel, "m")
    late = get(channel)
    end()
    again = connect(broker).channel()
    log.consume(again, "q", "A")
    channel.settle(late.receipt, Outcome.ACKNOWLEDGE)
    again.close()
    assert rest(connect(broker).channel()) == ["m R"]


def test_closed_channel_requeues_for_other_consumers(
    channel: DirectChannel, other: DirectChannel, log: Log
) -> None:
    log.consume(channel, "q", "A", prefetch=2)
    send(channel, *"01")
    log.consume(other, "q", "B")
    send(channel, "2")
    channel.close()
    assert log.told == ["0 A", "1 A", "2 B", "0 R B", "1 R B"]


def test_closing_a_channel_twice_is_safe(
    connection: DirectConnection, channel: DirectChannel
) -> None:
    channel.close()
    channel.close()
    connection.close()
    assert not channel.is_open


def test_dropped_connections_are_notified(broker: DirectBroker) -> None:
    told: list[str] = []
    connections = [
        broker.connect(virtual_host, "guest", "guest", partial(told.append, name))
        for name, virtual_host in (("A", "/"), ("B", "tests"), ("C", "/"))
    ]
    connections[2].close()
    broker.drop_connections()
    broker.drop_connections()
    assert told == ["A", "B"]
    assert not any(connection.is_open for connection in connections)


# Restart


def test_restart_keeps_durable_queues_and_messages(
    broker: DirectBroker, connection: DirectConnection, channel: DirectChannel
) -> None:
    channel.declare_exchange(Exchange("e", "direct"))
    channel.bind("q", "e", "k")
    gone = [
        channel.declare_queue(Queue("", exclusive=True)),
        channel.declare_queue(Queue("transient", durable=False)),
    ]
    for number, persistent in enumerate([True, False, True]):
        channel.publish(Message(b"%d" % number, "e", "k", persistent=persistent), True)
    get(channel)
    broker.restart()
    assert not connection.is_open
    after = connect(broker).channel()
    assert not any(exists(after, name) for name in gone)
    after.publish(Message(b"3", "e", "k"), True)
    assert rest(after) == ["0 R", "2", "3"]


def test_restart_covers_every_virtual_host(broker: DirectBroker) -> None:
    connect(broker, "tests").channel().declare_queue(Queue("transient", durable=False))
    broker.restart()
    assert not exists(connect(broker, "tests").channel(), "transient")
