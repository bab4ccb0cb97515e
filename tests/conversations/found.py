"""Conversations about rules that the in-memory broker broke, as random programs showed."""

from __future__ import annotations

from typing import Any

from pamqp.commands import Basic, Channel, Confirm, Exchange, Queue, Tx

from tests.conversations.steps import PAUSE, consume, declare, publish

SINGLE = {"x-single-active-consumer": True}
QUORUM = {"x-queue-type": "quorum"}
TO_DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
HEADERS = Exchange.Declare(exchange="xh", exchange_type="headers")


def match(value: Any) -> Queue.Bind:
    return Queue.Bind(queue="w", exchange="xh", arguments={"x-match": value})


def of_type(value: Any) -> dict[str, Any]:
    return {"x-queue-type": value}


FOUND: dict[str, list[Any]] = {
    **{
        f"x-match {value!r}": [declare(), HEADERS, match(value)]
        for value in ("some", "", 5, True, None, ["all"], {"a": 1}, "all-with-x")
    },
    "x-match of a topic exchange": [
        declare(),
        Queue.Bind(queue="w", exchange="amq.topic", arguments={"x-match": "some"}),
    ],
    "bad priority before exclusive use": [
        declare(),
        consume("a"),
        consume("b", exclusive=True, arguments={"x-priority": "high"}),
    ],
    "exclusive where one is active": [declare(arguments=SINGLE), consume("a", exclusive=True)],
    "active one stays": [
        declare(arguments=SINGLE),
        consume("a"),
        consume("b", arguments={"x-priority": 5}),
        publish("", "w"),
    ],
    "next active one has the highest priority": [
        declare(arguments=SINGLE),
        consume("a"),
        consume("b"),
        consume("c", arguments={"x-priority": 5}),
        Basic.Cancel(consumer_tag="a"),
        publish("", "w"),
    ],
    "larger than the limit": [
        Confirm.Select(),
        declare(arguments={"x-max-length-bytes": 4, "x-overflow": "reject-publish"}),
        publish("", "w", b"long body"),
        publish("", "w", b"body"),
    ],
    "expired behind the first": [
        declare(),
        publish("", "w", b"a"),
        publish("", "w", b"b", expiration="0"),
        publish("", "w", b"c"),
        consume("a", no_ack=True),
    ],
    "expired behind what is got": [
        declare(),
        publish("", "w", b"a"),
        publish("", "w", b"b", expiration="0"),
        Basic.Get(queue="w", no_ack=True),
    ],
    "full priority queue drops the highest": [
        declare(arguments={"x-max-priority": 3, "x-max-length": 1}),
        publish("", "w", b"low", priority=0),
        publish("", "w", b"high", priority=3),
        Basic.Get(queue="w", no_ack=True),
    ],
    "requeued beyond the limit": [
        declare(arguments={"x-max-length": 1}),
        publish("", "w", b"a"),
        Basic.Get(queue="w"),
        publish("", "w", b"b"),
        Basic.Nack(1, False, True),
        Basic.Get(queue="w", no_ack=True),
        Basic.Get(queue="w", no_ack=True),
    ],
    "passive without a name": [declare(), Queue.Declare(queue="", passive=True)],
    "room of a tag that is used again": [
        declare(),
        Basic.Qos(prefetch_count=1),
        publish("", "w", b"a"),
        publish("", "w", b"b"),
        publish("", "w", b"c"),
        consume("a"),
        Basic.Cancel(consumer_tag="a"),
        consume("a"),
        Basic.Ack(1),
    ],
    "headers by name": [
        publish("", "nobody", mand=True, headers={"h": 1, "g": {"b": 1, "a": 2}}),
    ],
    "type with a dash": [
        Exchange.Declare(exchange="xr", exchange_type="topic"),
        Exchange.Declare(exchange="xr", exchange_type="x-local-random"),
    ],
    **{
        f"server-named of type {value!r}": [Queue.Declare(queue="", arguments=of_type(value))]
        for value in (5, True, None, 2.5, ["classic"], "", "quorum", "nothing")
    },
    "empty type": [declare(durable=True, arguments={"x-queue-type": ""})],
    "type of another kind": [declare(), declare(arguments={"x-queue-type": 5})],
    **{
        f"quorum counts {name}": [
            declare(durable=True, arguments=QUORUM),
            publish("", "w"),
            Basic.Get(queue="w"),
            step,
            Basic.Get(queue="w"),
        ]
        for name, step in (
            ("nack", Basic.Nack(1, requeue=True)),
            ("reject", Basic.Reject(1, requeue=True)),
            ("recover", Basic.Recover(requeue=True)),
        )
    },
    "quorum counts deliveries": [
        declare(durable=True, arguments=QUORUM),
        consume("a"),
        publish("", "w"),
        Basic.Nack(1, requeue=True),
        PAUSE,
        Basic.Reject(2, requeue=True),
    ],
    "quorum counts what a closed channel gives back": [
        declare(durable=True, arguments=QUORUM),
        publish("", "w"),
        Basic.Get(queue="w"),
        Channel.Close(200, "", 0, 0),
        Channel.Open(),
        PAUSE,
        Basic.Get(queue="w"),
    ],
    **{
        f"delivery limit by {name}": [
            declare(durable=True, arguments={**QUORUM, **TO_DEAD, "x-delivery-limit": 1}),
            Queue.Declare(queue="dead", exclusive=True),
            publish("", "w"),
            Basic.Get(queue="w"),
            first,
            PAUSE,
            Basic.Get(queue="w"),
            second,
            PAUSE,
            Basic.Get(queue="w"),
            Basic.Get(queue="dead"),
        ]
        for name, first, second in (
            ("nack", Basic.Nack(1, requeue=True), Basic.Nack(2, requeue=True)),
            ("reject", Basic.Reject(1, requeue=True), Basic.Reject(2, requeue=True)),
        )
    },
    "quorum queue with a single active consumer": [
        declare(durable=True, arguments={**QUORUM, **SINGLE}),
        consume("a"),
        consume("b"),
        publish("", "w"),
        Basic.Cancel(consumer_tag="a"),
        publish("", "w"),
    ],
    **{
        f"quorum queue declared {name}": [declare(arguments=QUORUM, **values)]
        for name, values in (
            ("transient", {}),
            ("exclusive", {"durable": True, "exclusive": True}),
            ("auto-delete", {"durable": True, "auto_delete": True}),
        )
    },
    **{
        f"quorum queue with {argument} {value!r}": [
            declare(durable=True, arguments={**QUORUM, argument: value})
        ]
        for argument, value in (
            ("x-max-priority", 5),
            ("x-queue-mode", "lazy"),
            ("x-delivery-limit", "many"),
            ("x-delivery-limit", -1),
            ("x-overflow", "reject-publish-dlx"),
            ("x-dead-letter-strategy", "never"),
            ("x-queue-leader-locator", "nowhere"),
            ("x-quorum-initial-group-size", 0),
        )
    },
    **{
        f"classic queue with {argument} {value!r}": [declare(arguments={argument: value})]
        for argument, value in (
            ("x-message-ttl", 315_360_000_000),
            ("x-message-ttl", 315_360_000_001),
            ("x-message-ttl", "long"),
            ("x-expires", 0),
            ("x-expires", 315_360_000_001),
            ("x-max-length-bytes", -1),
            ("x-max-priority", 0),
            ("x-max-priority", 256),
            ("x-overflow", "nothing"),
            ("x-single-active-consumer", "yes"),
            ("x-dead-letter-routing-key", "k"),
            ("x-dead-letter-exchange", 7),
            ("x-queue-leader-locator", "nowhere"),
            ("x-delivery-limit", 3),
            ("x-dead-letter-strategy", "at-least-once"),
        )
    },
    **{
        f"consumer with {argument} {value!r}": [
            declare(),
            consume("a", arguments={argument: value}),
        ]
        for argument, value in (
            ("x-priority", "high"),
            ("x-priority", 5),
            ("x-cancel-on-ha-failover", True),
            ("x-cancel-on-ha-failover", "yes"),
            ("x-stream-offset", "first"),
            ("x-unknown", 1),
        )
    },
    **{
        f"expiration {text!r}": [declare(), publish("", "w", expiration=text), Basic.Get(queue="w")]
        for text in ("60000", "-1", "soon", "315360000000", "315360000001")
    },
    **{
        f"declared again with {value!r} for {first!r}": [
            declare(arguments={"x-max-length": first}),
            declare(arguments={"x-max-length": value}),
        ]
        for first, value in ((1, 2), (1, "1"))
    },
    "type declared again": [declare(durable=True), declare(durable=True, arguments=QUORUM)],
    "named type declared again": [
        declare(durable=True, arguments=of_type("classic")),
        declare(durable=True),
    ],
    "rejected to its own queue": [
        declare(arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "w"}),
        publish("", "w"),
        Basic.Get(queue="w"),
        Basic.Reject(1, requeue=False),
        PAUSE,
        Basic.Get(queue="w"),
    ],
    "acknowledged by a commit": [
        declare(),
        publish("", "w"),
        Tx.Select(),
        Basic.Get(queue="w"),
        Basic.Ack(1),
        Tx.Commit(),
        Basic.Recover(requeue=True),
        Basic.Get(queue="w"),
    ],
    "a chain of exchanges deletes itself": [
        *(
            Exchange.Declare(exchange=name, exchange_type="fanout", auto_delete=True)
            for name in ("xa", "xb")
        ),
        declare(),
        Exchange.Bind(destination="xb", source="xa"),
        Queue.Bind(queue="w", exchange="xb"),
        Queue.Delete(queue="w"),
        Exchange.Declare(exchange="xa", passive=True),
    ],
    "transaction of acknowledgements": [
        declare(),
        publish("", "w"),
        Tx.Select(),
        Basic.Get(queue="w"),
        Basic.Ack(1),
        Tx.Rollback(),
        Basic.Ack(1),
        Tx.Commit(),
        Queue.Declare(queue="w", passive=True),
    ],
    **{
        f"delivery mode {mode}": [declare(), publish("", "w", mode=mode), Basic.Get(queue="w")]
        for mode in (0, 3)
    },
}
"""RabbitMQ's replies are recorded with those of the other rules."""
