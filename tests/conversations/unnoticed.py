"""Conversations about rules that mutants broke unnoticed by any other test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pamqp.commands import Basic, Exchange, Queue, Tx

from tests.conversations.steps import PAUSE, REPLY, consume, declare, publish

DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "w2"}
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = {
    f"x-{which}-death-{field}": value
    for which in ("first", "last")
    for field, value in (("queue", "o"), ("reason", "expired"), ("exchange", "oe"))
}
REPLIES = "amq.rabbitmq.reply-to"
XS = Exchange.Declare(exchange="xs", exchange_type="fanout")
XT = Exchange.Declare(exchange="xt", exchange_type="fanout")


def entry(**values: Any) -> dict[str, Any]:
    """Return an entry of x-death, as a client may send it."""
    usual = {"count": 3, "reason": "rejected", "queue": "w", "time": SOME_TIME, "exchange": ""}
    return {**usual, "routing-keys": ["w"], **values}


def rejected(headers: dict[str, Any]) -> list[Any]:
    return [
        declare(arguments=DEAD),
        Queue.Declare(queue="w2", exclusive=True),
        publish("", "w", headers=headers),
        *rejections("w"),
        Basic.Get(queue="w2"),
    ]


def dead_lettering(name: str, to: str) -> Queue.Declare:
    """Return the declaration of a queue whose dead letters go to another one."""
    arguments: dict[str, Any] = {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": to,
    }
    return Queue.Declare(queue=name, exclusive=True, arguments=arguments)


def rejections(*names: str) -> list[Any]:
    """Return the steps that get and reject a message of each queue in turn."""
    return [
        step
        for tag, name in enumerate(names, 1)
        for step in (Basic.Get(queue=name), Basic.Reject(tag, requeue=False), PAUSE)
    ]


LIMITED: dict[str, list[Any]] = {
    "queue bound with permissions": [
        declare(),
        Exchange.Declare(exchange="xr", exchange_type="fanout"),
        Queue.Bind(queue="w", exchange="xr"),
        Queue.Unbind(queue="w", exchange="xr"),
    ],
    "exchange bound with permissions": [
        *(Exchange.Declare(exchange=name, exchange_type="fanout") for name in ("xr", "xw")),
        Exchange.Bind(destination="xw", source="xr"),
        Exchange.Unbind(destination="xw", source="xr"),
    ],
    "queue bound without permission to write": [Queue.Bind(queue="xr", exchange="xr")],
    "queue bound without permission to read": [Queue.Bind(queue="xw", exchange="xw")],
    "queue unbound without permission to write": [Queue.Unbind(queue="xr", exchange="xr")],
    "queue unbound without permission to read": [Queue.Unbind(queue="xw", exchange="xw")],
    "exchange bound without permission to write": [Exchange.Bind(destination="xr", source="xr")],
    "exchange bound without permission to read": [Exchange.Bind(destination="xw", source="xw")],
    "exchange unbound without permission to write": [
        Exchange.Unbind(destination="xr", source="xr")
    ],
    "exchange unbound without permission to read": [Exchange.Unbind(destination="xw", source="xw")],
}
"""Conversations of a user with :data:`PERMISSIONS` only."""
PERMISSIONS = (".*", "w$", "r$")
"""The names that such a user may configure, write and read."""

EXPIRED = entry(queue="w2", reason="expired")
DEAD_LETTERS: dict[str, list[Any]] = {
    "what has other headers": rejected({"z": 1, "a": 2, "x-b": 3, "X": 4}),
    "what has copies": rejected({"CC": ["w3"], "BCC": ["w4"], "a": 1}),
    "what says text of deaths": rejected({"x-death": "text"}),
    "what says nothing of deaths": rejected({"x-death": []}),
    "what says it died there": rejected({"x-death": [entry()]}),
    "what says it died elsewhere": rejected({"x-death": [entry(queue="o")], **FIRST}),
    "what says where it died first": rejected(FIRST),
    "what says parts of deaths": rejected(
        {"x-death": [{"a": 1}, {"b": 2}, {"queue": "o", "reason": "r", "count": 2}]}
    ),
    "what says deaths without a count": rejected(
        {"x-death": [{"queue": name, "reason": "rejected"} for name in ("w", "o", "o")]}
    ),
    "what says one death without a count": rejected(
        {"x-death": [{"queue": "w", "reason": "rejected"}]}
    ),
    "what says two reasons of one queue": rejected(
        {"x-death": [{"queue": "o", "reason": reason, "count": 1} for reason in ("a", "b")]}
    ),
    "what died there for two reasons": [
        declare(arguments={**DEAD, "x-max-length": 1}),
        dead_lettering("w2", "w"),
        publish("", "w"),
        *rejections("w", "w2"),
        publish("", "w"),
        PAUSE,
        Basic.Get(queue="w2"),
    ],
    "what is beyond a length": [
        declare(arguments={**DEAD, "x-max-length": 1}),
        Queue.Declare(queue="w2", exclusive=True),
        publish("", "w"),
        publish("", "w"),
        PAUSE,
        Basic.Get(queue="w2"),
    ],
    "what says it would go round": [
        declare(arguments={**DEAD, "x-message-ttl": 50}),
        Queue.Declare(queue="w2", exclusive=True),
        publish("", "w", headers={"x-death": [EXPIRED]}),
        PAUSE,
        Basic.Get(queue="w2"),
    ],
    "what had an expiration": [
        declare(arguments=DEAD),
        dead_lettering("w2", "w3"),
        Queue.Declare(queue="w3", exclusive=True),
        publish("", "w", expiration="50"),
        PAUSE,
        *rejections("w2"),
        Basic.Get(queue="w3"),
    ],
    "what has died in four queues": [
        *map(dead_lettering, "abcd", "bcda"),
        publish("", "a"),
        *rejections(*"abcdab"),
        Basic.Get(queue="c"),
    ],
}
"""Messages that are rejected or expire, with various x-death headers."""

UNNOTICED: dict[str, list[Any]] = LIMITED | {
    "an exchange is unbound from another": [
        XS,
        XT,
        Exchange.Bind(destination="xt", source="xs"),
        declare(),
        Queue.Bind(queue="w", exchange="xt"),
        publish("xs", ""),
        Exchange.Unbind(destination="xt", source="xs"),
        publish("xs", ""),
        Queue.Declare(queue="w", passive=True),
        Exchange.Unbind(destination="missing", source="xs"),
        Exchange.Unbind(destination="xt", source="missing"),
    ],
    "a commit requeues what was rejected": [
        declare(),
        publish("", "w"),
        Tx.Select(),
        Basic.Get(queue="w"),
        Basic.Nack(1, requeue=True),
        Basic.Get(queue="w"),
        Tx.Commit(),
        Basic.Get(queue="w"),
    ],
    "two direct replies": [
        Basic.Consume(queue=REPLIES, consumer_tag="t", no_ack=True),
        declare(),
        publish("", "w", reply_to=REPLIES),
        Basic.Get(queue="w", no_ack=True),
        REPLY,
        REPLY,
        publish("", "w"),
        Basic.Get(queue="w", no_ack=True),
    ],
    "a limit of a channel leaves room again": [
        declare(),
        Basic.Qos(prefetch_count=1, global_=True),
        consume("a"),
        consume("b"),
        publish("", "w"),
        publish("", "w"),
        Basic.Ack(1),
    ],
    "a limit of a channel with three consumers": [
        declare(),
        Basic.Qos(prefetch_count=2, global_=True),
        *map(consume, "abc"),
        *[publish("", "w")] * 7,
        Basic.Ack(1),
        Basic.Ack(3, multiple=True),
        Basic.Nack(4, requeue=True),
        Basic.Ack(5),
    ],
    "a limit of a channel with two queues": [
        declare(),
        Queue.Declare(queue="w2", exclusive=True),
        Basic.Qos(prefetch_count=1, global_=True),
        consume("a"),
        Basic.Consume(queue="w2", consumer_tag="b"),
        consume("c"),
        *[publish("", "w")] * 3,
        Basic.Ack(1),
        Basic.Ack(2),
    ],
    "the active consumer does not acknowledge": [
        declare(arguments={"x-single-active-consumer": True}),
        consume("a", no_ack=True),
        publish("", "w"),
        publish("", "w"),
    ],
    **{
        f"classic queue with {argument} of quorum queues": [declare(arguments={argument: value})]
        for argument, value in (
            ("x-consumer-disconnected-timeout", 1000),
            ("x-delayed-retry-type", "all"),
            ("x-delayed-retry-min", 1000),
            ("x-delayed-retry-max", 1000),
        )
    },
    "a consumer is cancelled after a limit of its channel": [
        declare(),
        consume("a"),
        consume("b"),
        Basic.Qos(prefetch_count=5, global_=True),
        Basic.Cancel(consumer_tag="a"),
        publish("", "w"),
        publish("", "w"),
    ],
    **{f"dead letter of {name}": steps for name, steps in DEAD_LETTERS.items()},
}
"""RabbitMQ's replies are recorded with those of the other rules."""
