"""Conversations about the comparison of headers, binding arguments, queue arguments and keys."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pamqp.commands import Basic, Confirm, Exchange, Queue

from tests.conversations.steps import PAUSE, declare, publish

VALUES: dict[str, Any] = {
    "1": 1,
    "true": True,
    "1.0": 1.0,
    "a time": datetime.fromtimestamp(1, UTC),
    "its milliseconds": 1000,
    "a text": "a",
    "bytes": bytearray(b"a"),
    "[1]": [1],
    "[true]": [True],
    "an empty array": [],
    "an empty table": {},
    "a void value": None,
}
EXPIRATIONS = ("+60000", "060000", "-0", "60000 ", "6_0", "5\x01", "5é", "1e3")
REPLIES = "amq.rabbitmq.reply-to"
CONSUME_REPLIES = Basic.Consume(queue=REPLIES, consumer_tag="r", no_ack=True)

MATCHING: dict[str, list[Any]] = {
    **{
        f"headers that match {name}": [
            Confirm.Select(),
            declare(),
            Exchange.Declare(exchange="xh", exchange_type="headers"),
            Queue.Bind(queue="w", exchange="xh", arguments={"h": value}),
            *(
                publish("xh", other, mand=True, headers={"h": sent})
                for other, sent in VALUES.items()
            ),
        ]
        for name, value in VALUES.items()
    },
    "bindings of other types": [
        declare(),
        Exchange.Declare(exchange="xh", exchange_type="headers"),
        Queue.Bind(queue="w", exchange="xh", arguments={"h": 1}),
        Queue.Unbind(queue="w", exchange="xh", arguments={"h": True}),
        Queue.Unbind(queue="w", exchange="xh", arguments={"h": 1.0}),
        publish("xh", "k", mand=True, headers={"h": 1}),
        Queue.Unbind(queue="w", exchange="xh", arguments={"h": 1}),
        publish("xh", "k", mand=True, headers={"h": 1}),
    ],
    **{
        f"expiration {text!r}": [
            declare(),
            publish("", "w", expiration=text),
            Basic.Get(queue="w", no_ack=True),
        ]
        for text in EXPIRATIONS
    },
    **{
        f"inequivalent argument of {name}": [declare(), declare(arguments={"x-max-length": value})]
        for name, value in {
            "a decimal": Decimal("0.5"),
            "bytes": bytearray(b"b"),
            "an array": [1, "a"],
        }.items()
    },
    **{
        f"{argument} of {name}": [
            Exchange.Declare(exchange="xa", arguments={argument: value}),
            declare(),
            declare(arguments={argument: value}),
        ]
        for argument in ("alternate-exchange", "x-dead-letter-exchange", "x-queue-type")
        for name, value in {"a void value": None, "no text": 5, "nothing": ""}.items()
    },
    **{
        f"unknown exchange type {kind!r} without a name": [
            Exchange.Declare(exchange="", exchange_type=kind)
        ]
        for kind in ("x-nothing", "direct")
    },
    "reply consumer before other invalid properties": [
        publish("", "w", reply_to=REPLIES, expiration="soon", user_id="nobody"),
    ],
    "second reply consumer that acknowledges": [
        CONSUME_REPLIES,
        Basic.Consume(queue=REPLIES, consumer_tag="s"),
    ],
    "tag of the reply consumer for another": [
        CONSUME_REPLIES,
        declare(),
        Basic.Consume(queue="w", consumer_tag="r", no_ack=True),
        publish("", "w"),
        PAUSE,
        Basic.Cancel(consumer_tag="r"),
        publish("", "w", reply_to=REPLIES),
    ],
    "tag of another for the reply consumer": [
        declare(),
        Basic.Consume(queue="w", consumer_tag="r", no_ack=True),
        CONSUME_REPLIES,
    ],
    **{
        f"copies of a reply to {key}": [
            Confirm.Select(),
            declare(),
            CONSUME_REPLIES,
            publish("", key, mand=mandatory, headers={"CC": ["w"]}),
            Basic.Get(queue="w", no_ack=True),
        ]
        for key in (REPLIES, f"{REPLIES}.nobody")
        for mandatory in (True,)
    },
}
