"""Unknown queue types, as measured on RabbitMQ 3.10.8, 4.0.5 and 4.3.6."""

from __future__ import annotations

from typing import Any

import pytest

import mooq
from mooq.broker.broker import Broker
from mooq.broker.refusals import Refusal
from mooq.transports.declarations import Queue
from mooq.transports.direct import DirectChannel

UNSUPPORTED = (
    "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q' in vhost '/': "
    "\"unsupported queue type 'nothing'\""
)


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        *((version, "q", UNSUPPORTED) for version in ("3.10", "4.0", "4.3")),
        *((version, "", "INTERNAL_ERROR") for version in ("3.10", "4.0")),
        ("4.3", "", "PRECONDITION_FAILED - unknown queue type 'nothing'"),
    ],
)
def test_unknown_queue_type_is_refused_per_version(version: str, name: str, text: str) -> None:
    broker = Broker({"guest": "guest"}, ["/"], version=version)
    channel = broker.connect("/", "guest", "guest").channel(1)
    with pytest.raises(Refusal) as raised:
        channel.queue_declare(
            name,
            passive=False,
            durable=False,
            exclusive=True,
            auto_delete=True,
            arguments={"x-queue-type": "nothing"},
        )
    assert raised.value.text == text


@pytest.mark.parametrize("name", ["q", None])
def test_unknown_queue_type_is_refused_by_the_client(name: str | None) -> None:
    arguments: dict[str, Any] = {"x-queue-type": "nothing"}
    with pytest.raises(mooq.BadQueue, match="unknown type 'nothing'; choose one of classic, quo"):
        Queue.for_consumer(name, arguments=arguments)


def test_argument_integers_have_aiormq_widths() -> None:
    rules = Broker({"guest": "guest"}, ["/"], version="4.0")
    channel = DirectChannel(rules.connect("/", "guest", "guest").channel(1))
    numbers = [1, -(2**7), 2**7, 2**15, 2**16, -(2**31), 2**31, 2**32]
    channel.declare_queue(Queue("q", arguments={"n": numbers}))
    arrived = channel.rules.connection.host.queues["q"].arguments["n"]
    assert [type(one).__name__ for one in arrived] == [
        *("Byte", "Byte", "Short", "UnsignedShort", "SignedInt", "SignedInt"),
        *("UnsignedInt", "Long"),
    ]
