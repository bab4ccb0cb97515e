"""Transactions of the in-memory broker."""

from __future__ import annotations

from typing import Any

import pytest

from mooq.broker.versions import VERSIONS
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


def test_closing_a_channel_rolls_back_settlements() -> None:
    broker = new_broker()
    channel, other = connect(broker).channel(1), connect(broker).channel(1)
    declare(channel)
    for number in range(3):
        publish(channel, str(number))
    channel.tx_select()
    for tag in (1, 2):
        get(channel)
        channel.basic_ack(tag, False)
    publish(channel, "never")
    assert refused(lambda: channel.basic_ack(1, False)).endswith("unknown delivery tag 1")
    channel.close()
    assert rest(other) == ["0 R", "1 R", "2"]


def test_commit_applies_messages_and_settlements() -> None:
    channel = channel_of()
    declare(channel)
    publish(channel, "0")
    channel.tx_select()
    get(channel)
    channel.basic_ack(1, False)
    publish(channel, "1")
    assert channel.basic_get("q", False) is None
    channel.tx_commit()
    assert rest(channel) == ["1"]
    channel.tx_rollback()
    assert rest(channel) == []


def test_confirms_and_transactions_exclude_each_other() -> None:
    channel, other = channel_of(), channel_of()
    channel.tx_select()
    channel.tx_select()
    other.confirm_select()
    assert refused(channel.confirm_select) == (
        "PRECONDITION_FAILED - cannot switch from tx to confirm mode"
    )
    assert refused(other.tx_select) == "PRECONDITION_FAILED - cannot switch from confirm to tx mode"
    assert refused(other.tx_commit) == "PRECONDITION_FAILED - channel is not transactional"
    assert refused(other.tx_rollback) == "PRECONDITION_FAILED - channel is not transactional"


# The order of a commit, as measured on each version

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


def deliveries_at_a_commit(version: str, arguments: dict[str, Any]) -> list[str]:
    """Requeue the second of two deliveries and acknowledge the first; return what is next."""
    channel = channel_of(version)
    declare(channel, arguments=arguments)
    for body in "0123":
        publish(channel, body)
    channel.basic_qos(0, 2, False)
    consume(channel)
    channel.tx_select()
    channel.basic_nack(2, False, True)
    channel.basic_ack(1, False)
    told(channel.connection.broker)
    channel.tx_commit()
    return told(channel.connection.broker)


@versions
def test_classic_queue_acknowledges_before_it_requeues(version: str) -> None:
    assert deliveries_at_a_commit(version, {}) == ["c: 2", "c: 1 R"]


@versions
def test_quorum_queue_settles_in_the_order_of_the_requests(version: str) -> None:
    arguments = {"x-delivery-limit": 5} | QUORUM
    assert deliveries_at_a_commit(version, arguments) == ["c: 1 R", "c: 2"]


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
