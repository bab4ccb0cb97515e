"""kombu with py-amqp on the test's broker."""

from __future__ import annotations

from typing import Any

from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.simple import SimpleQueue

from mooq.testing.broker import Broker
from tests.integration.inbox import LONGEST_WAIT


def test_producer_and_consumer_exchange_messages(mooq_broker: Broker) -> None:
    orders = Queue("orders", Exchange("shop", "topic"), "order.*", message_ttl=60, max_priority=5)
    received: list[tuple[Any, str]] = []

    def receive(body: Any, message: Any) -> None:
        received.append((body, message.delivery_info["routing_key"]))
        message.ack()

    with Connection(mooq_broker.url) as connection:
        producer = Producer(connection.channel(), exchange=orders.exchange)
        with Consumer(connection.channel(), orders, callbacks=[receive]):
            producer.publish({"tea": 2}, routing_key="order.new", declare=[orders])
            producer.publish({"tea": 3}, routing_key="order.old", compression="zlib")
            while len(received) < 2:
                connection.drain_events(timeout=LONGEST_WAIT)
    assert received == [({"tea": 2}, "order.new"), ({"tea": 3}, "order.old")]


def test_simple_queue_keeps_message_order(mooq_broker: Broker) -> None:
    with Connection(mooq_broker.url) as connection:
        queue = SimpleQueue(connection, "jobs")
        for number in range(5):
            queue.put(number)
        got = []
        for _ in range(5):
            message = queue.get(timeout=LONGEST_WAIT)
            got.append(message.payload)
            message.ack()
        assert got == list(range(5))
        assert queue.qsize() == 0
        queue.close()


def test_confirmed_publishes_reach_the_queue(mooq_broker: Broker) -> None:
    with Connection(mooq_broker.url, transport_options={"confirm_publish": True}) as connection:
        channel = connection.channel()
        jobs = Queue("jobs", channel=channel)
        jobs.declare()
        Producer(channel).publish("sweep", routing_key="jobs")
        message = jobs.get()
        assert message is not None
        assert message.payload == "sweep"
        message.reject()
        assert jobs.get() is None
