"""Mandatory replies over direct reply-to, as measured for each RabbitMQ version."""

from __future__ import annotations

import pytest

from mooq.broker.broker import Broker
from mooq.broker.effects import Delivered, Returned
from mooq.broker.message import Properties


@pytest.mark.parametrize(("version", "returned"), [("3.10", 1), ("4.0", 1), ("4.3", 0)])
@pytest.mark.parametrize("is_there", [True, False])
def test_mandatory_reply_is_returned_before_4_3(
    version: str, returned: int, is_there: bool
) -> None:
    broker = Broker({"guest": "guest"}, ["/"], version=version)
    connection = broker.connect("/", "guest", "guest")
    asking, answering = connection.channel(1), connection.channel(2)
    asking.basic_consume(
        "amq.rabbitmq.reply-to", "", no_local=False, no_ack=True, exclusive=False, arguments={}
    )
    answering.queue_declare(
        "questions", passive=False, durable=True, exclusive=False, auto_delete=False, arguments={}
    )
    question = Properties(reply_to="amq.rabbitmq.reply-to")
    asking.basic_publish("", "questions", False, False, question, b"?")
    got = answering.basic_get("questions", True)
    assert got is not None
    if not is_there:
        asking.close()
    broker.outbox.clear()
    reply_to = got.message.properties.reply_to or ""
    answering.basic_publish("", reply_to, True, False, Properties(), b"!")
    kinds = [type(effect) for effect in broker.outbox]
    assert kinds.count(Returned) == returned
    assert kinds.count(Delivered) == is_there


@pytest.mark.parametrize("version", ["3.10", "4.0", "4.3"])
def test_mandatory_reply_to_unknown_name_is_returned(version: str) -> None:
    broker = Broker({"guest": "guest"}, ["/"], version=version)
    channel = broker.connect("/", "guest", "guest").channel(1)
    channel.basic_publish("", "amq.rabbitmq.reply-to.foo", True, False, Properties(), b"")
    assert [type(effect) for effect in broker.outbox] == [Returned]
