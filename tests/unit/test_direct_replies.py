"""Mandatory replies over direct reply-to, as measured for each RabbitMQ version."""

from __future__ import annotations

import pytest

from mooq.broker.broker import Broker
from mooq.broker.channel import Channel
from mooq.broker.effects import Delivered, Returned
from mooq.broker.message import Properties


def asks(channel: Channel) -> str:
    """Consume replies on a channel; return its reply name."""
    channel.basic_consume(
        "amq.rabbitmq.reply-to", "", no_local=False, no_ack=True, exclusive=False, arguments={}
    )
    channel.queue_declare(
        "questions", passive=False, durable=True, exclusive=False, auto_delete=False, arguments={}
    )
    question = Properties(reply_to="amq.rabbitmq.reply-to")
    channel.basic_publish("", "questions", False, False, question, b"?")
    got = channel.basic_get("questions", True)
    assert got is not None
    return got.message.properties.reply_to or ""


@pytest.mark.parametrize(("version", "returned"), [("3.10", 1), ("4.0", 1), ("4.3", 0)])
@pytest.mark.parametrize("is_there", [True, False])
def test_mandatory_reply_is_returned_before_4_3(
    version: str, returned: int, is_there: bool
) -> None:
    broker = Broker({"guest": "guest"}, ["/"], version=version)
    connection = broker.connect("/", "guest", "guest")
    asking, answering = connection.channel(1), connection.channel(2)
    reply_to = asks(asking)
    if not is_there:
        asking.close()
    broker.outbox.clear()
    answering.basic_publish("", reply_to, True, False, Properties(), b"!")
    kinds = [type(effect) for effect in broker.outbox]
    assert kinds.count(Returned) == returned
    assert kinds.count(Delivered) == is_there


@pytest.mark.parametrize(("version", "delivered"), [("3.10", 1), ("4.0", 1), ("4.3", 0)])
def test_reply_reaches_another_virtual_host_before_4_3(version: str, delivered: int) -> None:
    broker = Broker({"guest": "guest"}, ["/", "other"], version=version)
    asking = broker.connect("/", "guest", "guest").channel(1)
    answering = broker.connect("other", "guest", "guest").channel(1)
    reply_to = asks(asking)
    broker.outbox.clear()
    answering.basic_publish("", reply_to, False, False, Properties(), b"!")
    assert [type(effect) for effect in broker.outbox] == [Delivered] * delivered


@pytest.mark.parametrize("version", ["3.10", "4.0", "4.3"])
def test_mandatory_reply_to_unknown_name_is_returned(version: str) -> None:
    broker = Broker({"guest": "guest"}, ["/"], version=version)
    channel = broker.connect("/", "guest", "guest").channel(1)
    channel.basic_publish("", "amq.rabbitmq.reply-to.foo", True, False, Properties(), b"")
    assert [type(effect) for effect in broker.outbox] == [Returned]
