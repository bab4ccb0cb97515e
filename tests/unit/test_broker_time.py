"""Time in the in-memory broker: skipping, deadlines and acknowledgement timeouts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conversations.direct import DirectConnection
from tests.raw_amqp import READY, answers, body, header
from tests.raw_amqp import publish as publish_method
from tests.unit.verbs import (
    QUORUM,
    channel_of,
    connect,
    consume,
    declare,
    get,
    new_broker,
    publish,
    refused,
    rest,
    told,
)


def test_skipped_time_is_kept() -> None:
    broker = new_broker()
    broker.advance(1.0)
    broker.skip(10.0)
    assert broker.now == 11.0
    broker.advance(2.0)
    assert broker.now == 12.0
    broker.advance(1.0)
    assert broker.now == 12.0


def test_clock_includes_skipped_time() -> None:
    times = [5.0]
    broker = new_broker(clock=lambda: times[0])
    broker.skip(10.0)
    assert broker.now == 15.0
    times[0] = 7.0
    assert broker.now == 17.0


def test_deadline_uses_the_time_of_the_clock() -> None:
    broker = new_broker()
    channel = connect(broker).channel(1)
    woken: list[float | None] = []
    broker.on_schedule = lambda: woken.append(broker.next_deadline())
    assert broker.next_deadline() is None
    broker.skip(10.0)
    declare(channel, "q", {"x-expires": 4000})
    assert (broker.next_deadline(), woken) == (4.0, [None, 4.0])
    declare(channel, "r", {"x-expires": 5000})
    declare(channel, "s", {"x-expires": 3000})
    assert woken == [None, 4.0, 3.0]
    broker.advance(3.5)
    assert set(channel.connection.host.queues) == {"q", "r"}
    broker.skip(0.5)
    assert set(channel.connection.host.queues) == {"r"}


# Acknowledgement timeouts


LATE = (
    "ChannelClosed: PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout "
    "value used: 5000 ms. This timeout value can be configured, see consumers doc guide to learn "
    "more"
)
IN_TIME = {"x-consumer-timeout": 5000}


@pytest.mark.parametrize("arguments", [IN_TIME, QUORUM | IN_TIME])
def test_acknowledgement_timeout_closes_the_channel(arguments: dict[str, Any]) -> None:
    channel = channel_of("4.0")
    broker = channel.connection.broker
    declare(channel, arguments=arguments)
    consume(channel)
    publish(channel, "0")
    broker.advance(3.0)
    publish(channel, "1")
    channel.basic_ack(1, False)
    broker.advance(7.9)
    assert told(broker) == ["c: 0", "c: 1"]
    broker.advance(8.0)
    assert told(broker) == [LATE]
    assert not channel.is_open
    assert rest(channel.connection.channel(2)) == ["1 R"]
    broker.advance(100.0)
    assert told(broker) == []


def test_get_has_no_acknowledgement_timeout() -> None:
    channel = channel_of("4.0")
    broker = channel.connection.broker
    declare(channel, arguments=IN_TIME)
    publish(channel, "0")
    get(channel)
    consume(channel)
    publish(channel, "1")
    channel.basic_ack(2, False)
    broker.advance(100.0)
    assert channel.is_open


def test_late_quorum_consumer_is_cancelled_since_4_3() -> None:
    channel = channel_of("4.3")
    broker = channel.connection.broker
    declare(channel, arguments=QUORUM)
    channel.basic_qos(0, 1, False)
    consume(channel, arguments=IN_TIME)
    publish(channel, "0")
    broker.advance(1.0)
    consume(channel, tag="d", arguments={"x-consumer-timeout": 6000})
    publish(channel, "1")
    publish(channel, "2")
    assert told(broker) == ["c: 0", "d: 1"]
    broker.advance(4.9)
    assert told(broker) == []
    broker.advance(5.0)
    assert told(broker) == ["cancelled c"]
    assert refused(lambda: channel.basic_ack(1, False)).endswith("unknown delivery tag 1")
    consume(channel)
    assert told(broker) == ["c: 0 R"]
    broker.advance(6.9)
    assert told(broker) == []
    broker.advance(7.0)
    assert told(broker) == ["cancelled d"]
    assert channel.is_open
    channel.basic_ack(3, False)
    assert [line[-3:] for line in told(broker)] == ["1 R"]


def test_classic_consumer_has_no_timeout_since_4_3() -> None:
    channel = channel_of("4.3")
    declare(channel)
    consume(channel)
    publish(channel)
    channel.connection.broker.advance(1e6)
    assert (channel.is_open, channel.holds(1)) == (True, True)


# Notifications to clients


def received(connection: DirectConnection) -> list[str]:
    return list(answers(connection.received()))


def ready() -> DirectConnection:
    connection = DirectConnection("4.0")
    for step in READY:
        connection.sendall(step)
    connection.received()
    return connection


def test_alarm_blocks_the_publishing_client() -> None:
    connection = ready()
    connection.broker.set_alarm("memory", True)
    connection.sendall(publish_method() + header(1) + body(b"x"))
    assert received(connection) == [f"0: 10.60 0d{b'low on memory'.hex()}"]
    connection.broker.set_alarm("memory", False)
    connection.pass_time(0.0)
    assert received(connection) == ["0: 10.61"]


def test_restart_closes_client_connections() -> None:
    connection = ready()
    connection.broker.restart()
    connection.pass_time(0.0)
    assert received(connection) == [
        "0: connection.close 320 CONNECTION_FORCED - broker forced connection closure with reason "
        "'shutdown' (0, 0)"
    ]


def test_dropped_connection_ends_without_close() -> None:
    connection = ready()
    connection.broker.drop_connections()
    connection.pass_time(0.0)
    assert (received(connection), connection.is_over) == ([], True)
