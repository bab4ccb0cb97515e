"""The order in which a commit settles and publishes, as measured on each version."""

from __future__ import annotations

import pytest

from mooq.broker.versions import VERSIONS
from tests.unit.verbs import QUORUM, channel_of, consume, declare, publish, rest, told

versions = pytest.mark.parametrize("version", VERSIONS)


@versions
def test_classic_queue_acknowledges_before_it_takes_publishes(version: str) -> None:
    channel = channel_of(version)
    declare(channel, arguments={"x-max-length": 1})
    publish(channel, "0")
    channel.basic_qos(0, 1, False)
    consume(channel)
    publish(channel, "1")
    channel.tx_select()
    publish(channel, "2")
    channel.basic_ack(1, False)
    told(channel.connection.broker)
    channel.tx_commit()
    assert told(channel.connection.broker) == ["c: 1"]
    assert rest(channel) == ["2"]


@versions
def test_classic_queue_acknowledges_before_it_requeues(version: str) -> None:
    channel = channel_of(version)
    declare(channel)
    for body in "0123":
        publish(channel, body)
    channel.basic_qos(0, 2, False)
    consume(channel)
    channel.tx_select()
    channel.basic_nack(2, False, True)
    channel.basic_ack(1, False)
    told(channel.connection.broker)
    channel.tx_commit()
    assert told(channel.connection.broker) == ["c: 2", "c: 1 R"]


@versions
def test_quorum_queue_settles_in_the_order_of_the_requests(version: str) -> None:
    channel = channel_of(version)
    declare(channel, arguments={"x-delivery-limit": 5} | QUORUM)
    for body in "0123":
        publish(channel, body)
    channel.basic_qos(0, 2, False)
    consume(channel)
    channel.tx_select()
    channel.basic_nack(2, False, True)
    channel.basic_ack(1, False)
    told(channel.connection.broker)
    channel.tx_commit()
    assert told(channel.connection.broker) == ["c: 1 R", "c: 2"]


@pytest.mark.parametrize(("version", "limit"), [("3.10", 2), ("4.0", 1), ("4.3", 1)])
def test_limit_of_a_consumer_grows_with_failed_deliveries_on_3_10(version: str, limit: int) -> None:
    channel = channel_of(version)
    declare(channel, arguments={"x-delivery-limit": 0} | QUORUM)
    for body in "0123":
        publish(channel, body)
    channel.basic_qos(0, 1, False)
    consume(channel)
    told(channel.connection.broker)
    channel.basic_reject(1, True)
    assert len(told(channel.connection.broker)) == limit
