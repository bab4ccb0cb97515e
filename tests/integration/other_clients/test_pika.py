"""pika's blocking connection on the test's broker, in plain test functions."""

from __future__ import annotations

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from tenacity import Retrying

from mooq.testing.broker import Broker
from tests.integration.inbox import LONGEST_WAIT
from tests.waiting import patience


def connect(broker: Broker) -> pika.BlockingConnection:
    parameters = pika.URLParameters(broker.url)
    parameters.blocked_connection_timeout = LONGEST_WAIT
    return pika.BlockingConnection(parameters)


def consumed(channel: BlockingChannel, queue: str, count: int) -> list[bytes]:
    """Consume and acknowledge this many messages; return the bodies."""
    bodies: list[bytes] = []
    for method, _, body in channel.consume(queue, inactivity_timeout=LONGEST_WAIT):
        assert body is not None, f"there are only {bodies}"
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
        if len(bodies) == count:
            break
    channel.cancel()
    return bodies


def test_blocking_client_publishes_and_consumes(mooq_broker: Broker) -> None:
    connection = connect(mooq_broker)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("jobs", durable=True)
    for number in range(20):
        channel.basic_publish("", "jobs", str(number).encode(), mandatory=True)
    channel.basic_qos(prefetch_count=3)
    assert consumed(channel, "jobs", 20) == [str(number).encode() for number in range(20)]
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("", "nobody", b"", mandatory=True)
    connection.close()


def test_refusals_match_rabbitmq(mooq_broker: Broker) -> None:
    connection = connect(mooq_broker)
    channel = connection.channel()
    channel.queue_declare("q", durable=True)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        channel.queue_declare("q", durable=False)
    assert refused.value.reply_code == 406
    assert "inequivalent arg 'durable' for queue 'q'" in refused.value.reply_text
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as missing:
        connection.channel().queue_declare("missing", passive=True)
    assert missing.value.reply_code == 404
    connection.close()


def wait_until_deleted(connection: pika.BlockingConnection, queue: str) -> None:
    """Wait until a queue is deleted; RabbitMQ looks for unused quorum queues every 5 s."""

    def is_deleted() -> bool:
        channel = connection.channel()
        try:
            channel.queue_declare(queue, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return True
        channel.close()
        return False

    Retrying(**patience(f"{queue} to expire"))(is_deleted)


def test_unsettled_get_keeps_an_expiring_quorum_queue(mooq_broker: Broker) -> None:
    connection = connect(mooq_broker)
    channel = connection.channel()
    arguments = {"x-queue-type": "quorum", "x-expires": 100}
    channel.queue_declare("used", durable=True, arguments=arguments)
    channel.confirm_delivery()
    channel.basic_publish("", "used", b"m")
    method, _, _ = channel.basic_get("used")
    assert method is not None
    channel.queue_declare("unused", durable=True, arguments=arguments)
    wait_until_deleted(connection, "unused")
    assert channel.queue_declare("used", passive=True).method.consumer_count == 1
    channel.basic_ack(method.delivery_tag)
    wait_until_deleted(connection, "used")
    connection.close()


def test_transactions_are_committed_or_rolled_back(mooq_broker: Broker) -> None:
    connection = connect(mooq_broker)
    channel = connection.channel()
    channel.queue_declare("q")
    channel.tx_select()
    channel.basic_publish("", "q", b"forgotten")
    channel.tx_rollback()
    channel.basic_publish("", "q", b"kept")
    channel.tx_commit()
    assert channel.queue_declare("q", passive=True).method.message_count == 1
    assert channel.basic_get("q", auto_ack=True)[2] == b"kept"
    connection.close()


def test_exchanges_of_every_type_route_messages(mooq_broker: Broker) -> None:
    connection = connect(mooq_broker)
    channel = connection.channel()
    channel.queue_declare("q")
    channel.exchange_declare("source", "topic")
    channel.exchange_declare("target", "headers", auto_delete=True)
    channel.exchange_bind("target", "source", "a.*")
    channel.queue_bind("q", "target", arguments={"x-match": "any", "kind": "tea", "size": 2})
    for body, key, headers in (
        (b"other key", "b.c", {"kind": "tea"}),
        (b"other headers", "a.b", {"kind": "milk"}),
        (b"right", "a.b", {"kind": "milk", "size": 2}),
    ):
        properties = pika.BasicProperties(headers=headers)
        channel.basic_publish("source", key, body, properties)
    assert consumed(channel, "q", 1) == [b"right"]
    assert channel.queue_declare("q", passive=True).method.message_count == 0
    connection.close()


def test_mandatory_reply_is_delivered_and_returned(mooq_broker: Broker) -> None:
    """RabbitMQ 3.10 and 4.0 return it as well; 4.3 does not."""
    with connect(mooq_broker) as connection:
        asking, answering = connection.channel(), connection.channel()
        answers: list[bytes] = []
        returned: list[str] = []
        asking.basic_consume(
            "amq.rabbitmq.reply-to", lambda *arrived: answers.append(arrived[3]), auto_ack=True
        )
        asking.confirm_delivery()
        answering.queue_declare("questions")
        answering.add_on_return_callback(lambda *sent: returned.append(sent[1].reply_text))
        question = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to")
        asking.basic_publish("", "questions", b"tea?", question)
        properties = answering.basic_get("questions", auto_ack=True)[1]
        answering.basic_publish("", properties.reply_to, b"yes", mandatory=True)
        while not (answers and returned):
            connection.process_data_events(LONGEST_WAIT)
        assert (answers, returned) == ([b"yes"], ["NO_ROUTE"])
