"""idle() with clients that publish without confirms."""

from __future__ import annotations

import pika

from mooq.amqp import methods
from mooq.basics.address import Address
from mooq.parity.wire.client import WireConnection, message_of
from mooq.testing.sync_broker import SyncBroker

ROUNDS = range(20)
"""Repetitions, since the broker sometimes reads in time by chance."""


def test_idle_records_publishes_without_confirms(mooq_broker: SyncBroker) -> None:
    with pika.BlockingConnection(pika.URLParameters(mooq_broker.url)) as connection:
        channel = connection.channel()
        for number in ROUNDS:
            channel.basic_publish("", "nowhere", str(number).encode())
            mooq_broker.idle()
            assert len(mooq_broker.recorded.published) == number + 1


def test_idle_records_publishes_of_a_closed_client(mooq_broker: SyncBroker) -> None:
    address = Address.from_url(mooq_broker.url)
    for number in ROUNDS:
        client = WireConnection(address)
        client.send(1, methods.CHANNEL_OPEN, "")
        client.publish(1, "", "nowhere", False, message_of("", {}))
        client.end()
        mooq_broker.idle()
        assert len(mooq_broker.recorded.published) == number + 1
