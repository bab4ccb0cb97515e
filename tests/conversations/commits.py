"""Conversations about commits, a channel's prefetch limit, and queues that are declared again."""

from __future__ import annotations

from typing import Any

from pamqp.commands import Basic, Exchange, Queue, Tx

from tests.conversations.steps import PAUSE, consume, declare, publish

QUORUM: dict[str, Any] = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
SINGLE: dict[str, Any] = {
    "durable": True,
    "arguments": {"x-queue-type": "quorum", "x-single-active-consumer": True},
}
FULL = {"x-max-length": 1, "x-overflow": "reject-publish"}
PASSIVE = declare(passive=True)
DELETE = Queue.Delete(queue="w")
GET = Basic.Get(queue="w")


def filled(count: int, **values: Any) -> list[Any]:
    """Declare a queue with this many messages."""
    return [declare(**values), *(publish("", "w", str(n).encode()) for n in range(count)), PAUSE]


def nack(tag: int) -> Basic.Nack:
    return Basic.Nack(delivery_tag=tag, requeue=True)


def channel_limit(count: int) -> Basic.Qos:
    return Basic.Qos(prefetch_count=count, global_=True)


COMMITS: dict[str, list[Any]] = {
    "commit returns what is unroutable": [
        Tx.Select(),
        publish("", "nobody", mand=True),
        publish("", "no other", mand=True),
        Tx.Commit(),
    ],
    "commit to a full queue": [
        *filled(1, arguments=FULL),
        Tx.Select(),
        GET,
        publish("", "w", b"refused"),
        Tx.Commit(),
    ],
    **{
        f"commit to a deleted {kind} queue": [
            declare(**values),
            Tx.Select(),
            publish("", "w", mand=True),
            DELETE,
            Tx.Commit(),
        ]
        for kind, values in (("classic", {}), ("quorum", QUORUM))
    },
    **{
        f"commit to a {kind} queue declared again": [
            declare(**values),
            Tx.Select(),
            publish("", "w", mand=True),
            DELETE,
            declare(**values),
            Tx.Commit(),
            PAUSE,
            GET,
        ]
        for kind, values in (("classic", {}), ("quorum", QUORUM))
    },
    "commit to queues of which one is deleted": [
        declare(),
        Queue.Declare(queue="v"),
        Queue.Bind(queue="w", exchange="amq.fanout"),
        Queue.Bind(queue="v", exchange="amq.fanout"),
        Tx.Select(),
        publish("", "v", b"before"),
        publish("amq.fanout", "", b"to both"),
        publish("", "v", b"after"),
        DELETE,
        Tx.Commit(),
        PAUSE,
        Basic.Get(queue="v"),
        Basic.Get(queue="v"),
        Basic.Get(queue="v"),
    ],
    "channel limit counts earlier gets": [
        *filled(5),
        GET,
        channel_limit(2),
        consume("a"),
        Basic.Ack(delivery_tag=1),
        PAUSE,
        Basic.Ack(delivery_tag=2),
    ],
    "channel limit ends with a limit for consumers": [
        *filled(5),
        channel_limit(2),
        consume("a"),
        PAUSE,
        Basic.Qos(prefetch_count=1),
        PAUSE,
        consume("b"),
    ],
    "channel limit and a quorum queue": [
        declare(**QUORUM),
        Queue.Declare(queue="v"),
        consume("a"),
        channel_limit(1),
        publish("", "w", b"0"),
        publish("", "w", b"1"),
        PAUSE,
        Basic.Consume(queue="v", consumer_tag="b"),
        publish("", "v", b"2"),
        publish("", "v", b"3"),
        PAUSE,
        Basic.Ack(delivery_tag=1),
    ],
    "channel limit and a consumer without acknowledgements": [
        *filled(3),
        Queue.Declare(queue="v"),
        channel_limit(1),
        consume("a"),
        PAUSE,
        Basic.Consume(queue="v", consumer_tag="b", no_ack=True),
        publish("", "v"),
    ],
    "waiting consumers of a quorum queue do not count": [
        declare(**SINGLE),
        consume("a"),
        PASSIVE,
        consume("b"),
        PASSIVE,
        Basic.Cancel(consumer_tag="a"),
        PASSIVE,
    ],
    **{
        f"{name} of a message of a deleted queue": [
            declare(),
            publish("", "w", b"old"),
            GET,
            DELETE,
            declare(),
            publish("", "w", b"new"),
            GET,
            settle,
            PAUSE,
            Basic.Ack(delivery_tag=2),
            PAUSE,
            PASSIVE,
            Basic.Recover(requeue=True),
            PASSIVE,
        ]
        for name, settle in (
            ("acknowledgement", Basic.Ack(delivery_tag=1)),
            ("rejection", Basic.Reject(delivery_tag=1, requeue=False)),
            ("requeueing", nack(1)),
        )
    },
    "message with another number in a deleted queue": [
        *filled(1),
        GET,
        DELETE,
        *filled(2),
        GET,
        GET,
        Basic.Ack(delivery_tag=3),
        Basic.Ack(delivery_tag=1),
        PAUSE,
        Basic.Recover(requeue=True),
        PASSIVE,
    ],
    "exchange bound to a deleted queue": [
        Exchange.Declare(exchange="xa", auto_delete=True),
        *filled(1),
        Queue.Bind(queue="w", exchange="xa", routing_key="k"),
        Tx.Select(),
        publish("xa", "k", mand=True),
        DELETE,
        Tx.Commit(),
    ],
}
