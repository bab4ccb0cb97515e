"""Conversations about quorum queues: conditions, priorities, requeues, counts, consumers."""

from __future__ import annotations

from typing import Any

from pamqp.commands import Basic, Channel, Queue, Tx

from tests.conversations.found import QUORUM
from tests.conversations.steps import PAUSE, consume, publish


def quorum(queue: str = "w", **arguments: Any) -> Queue.Declare:
    """Return the declaration of a quorum queue; underscores stand for dashes."""
    named = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    return Queue.Declare(queue=queue, durable=True, arguments={**QUORUM, **named})


def get(queue: str = "w", no_ack: bool = False) -> Basic.Get:
    return Basic.Get(queue=queue, no_ack=no_ack)


def to_dead(**arguments: Any) -> list[Any]:
    """Return the declarations of a queue and of the quorum queue for its dead letters."""
    return [
        quorum("dead"),
        quorum(dead_letter_exchange="", dead_letter_routing_key="dead", **arguments),
    ]


CANCELS = [Basic.Cancel(consumer_tag="c"), Basic.Cancel(consumer_tag="b")]
COUNT = Queue.Declare(queue="w", passive=True)
NONE: dict[str, Any] = {}
LIMITS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("with a delivery limit", {"delivery_limit": 5}),
    ("with a negative one", {"delivery_limit": -1}),
)
RETURNS = {
    "nack": Basic.Nack(1, requeue=True),
    "reject": Basic.Reject(1, requeue=True),
    "recover": Basic.Recover(requeue=True),
}

QUORUM_QUEUES: dict[str, list[Any]] = {
    **{
        f"delete a quorum queue {name}": [quorum(), Queue.Delete(queue="w", **flags)]
        for name, flags in {
            "if unused": {"if_unused": True},
            "if empty": {"if_empty": True},
            "on both conditions": {"if_unused": True, "if_empty": True},
        }.items()
    },
    "get from a quorum queue with a single active consumer": [
        quorum(single_active_consumer=True),
        get(),
    ],
    "global prefetch of a quorum queue": [
        quorum(),
        Basic.Qos(prefetch_count=2, global_=True),
        consume("a"),
    ],
    "exclusive consumers of a quorum queue": [
        quorum(),
        consume("a", exclusive=True),
        consume("b", exclusive=True),
        publish("", "w"),
    ],
    "priorities of a quorum queue": [
        quorum(),
        *(
            publish("", "w", body, priority=priority)
            for body, priority in (
                *((b"a", 0), (b"b", 9), (b"c", None), (b"d", 5), (b"e", 1), (b"f", 9)),
                (b"g", 40),
            )
        ),
        *[get(no_ack=True)] * 7,
    ],
    **{
        f"quorum queue of {limit} bytes": [
            quorum(max_length_bytes=limit),
            publish("", "w", b"a"),
            publish("", "w", b"b", priority=4),
            publish("", "w", b"c", headers={"h": [1, "a", {"b": None}]}),
            PAUSE,
            *[get(no_ack=True)] * 4,
        ]
        for limit in (2, 5, 8, 40)
    },
    "dropped by a full quorum queue": [
        quorum(max_length=2),
        publish("", "w", b"a", priority=1),
        publish("", "w", b"b", priority=9),
        publish("", "w", b"c", priority=1),
        PAUSE,
        *[get(no_ack=True)] * 3,
    ],
    **{
        f"order after {name} {limit}": [
            quorum(**arguments),
            *(publish("", "w", body) for body in (b"a", b"b", b"c")),
            get(),
            step,
            *[get(no_ack=True)] * 3,
        ]
        for name, step in RETURNS.items()
        for limit, arguments in (*LIMITS, ("without one", NONE))
    },
    "order after a channel has ended": [
        quorum(),
        *(publish("", "w", body) for body in (b"a", b"b", b"c")),
        *[get()] * 2,
        Channel.Close(200, "", 0, 0),
        Channel.Open(),
        PAUSE,
        *[get(no_ack=True)] * 3,
    ],
    **{
        f"dead letter of a quorum queue after {name} {limit}": [
            *to_dead(**arguments),
            publish("", "w"),
            get(),
            step,
            PAUSE,
            get(),
            Basic.Reject(2, requeue=False),
            PAUSE,
            get("dead"),
            Basic.Reject(3, requeue=True),
            PAUSE,
            get("dead"),
        ]
        for name, step in RETURNS.items()
        for limit, arguments in LIMITS
    },
    "dead letter of a quorum queue by its limit": [
        *to_dead(delivery_limit=0),
        publish("", "w"),
        get(),
        Basic.Reject(1, requeue=True),
        PAUSE,
        get("dead"),
    ],
    **{
        f"order of several consumers after {name}": [
            *to_dead(delivery_limit=9),
            *(publish("", "w", body) for body in (b"A", b"B")),
            *[get()] * 2,
            consume("c"),
            consume("b"),
            *(publish("", "w", body) for body in (b"d", b"e", b"f", b"g")),
            PAUSE,
            *steps,
            PAUSE,
            *[get(queue, no_ack=True)] * 6,
        ]
        for name, queue, steps in (
            ("the end of the channel", "w", [Channel.Close(200, "", 0, 0), Channel.Open()]),
            ("a nack", "w", [*CANCELS, Basic.Nack(6, True, True)]),
            ("recover", "w", [*CANCELS, Basic.Recover(requeue=True)]),
            ("a nack to dead letters", "dead", [Basic.Nack(6, True, False)]),
            (
                "a commit",
                "dead",
                [
                    Tx.Select(),
                    *(Basic.Nack(tag, False, False) for tag in (6, 3, 4, 5, 2, 1)),
                    Tx.Commit(),
                ],
            ),
        )
    },
    "consumer count of a quorum queue": [
        quorum(),
        *(publish("", "w", body) for body in (b"a", b"b", b"c", b"d")),
        get(),
        COUNT,
        get(no_ack=True),
        consume("c"),
        COUNT,
        Basic.Cancel(consumer_tag="c"),
        COUNT,
        Basic.Ack(4, True),
        PAUSE,
        COUNT,
    ],
    "expired behind what is got from a quorum queue": [
        quorum(),
        publish("", "w", b"a"),
        publish("", "w", b"b", expiration="0"),
        publish("", "w", b"c"),
        get(),
        PAUSE,
        COUNT,
    ],
    "count headers that were published": [
        quorum(),
        publish("", "w", headers={"x-delivery-count": 7, "x-acquired-count": 3, "z": 1}),
        get(),
        Basic.Reject(1, requeue=True),
        PAUSE,
        get(),
    ],
    "turn of a full consumer of a quorum queue": [
        quorum(),
        Basic.Qos(prefetch_count=1),
        consume("a"),
        publish("", "w", b"1"),
        PAUSE,
        Basic.Qos(prefetch_count=0),
        consume("b"),
        Basic.Ack(1),
        publish("", "w", b"2"),
        publish("", "w", b"3"),
    ],
    "single active consumer of a quorum queue gives way": [
        quorum(single_active_consumer=True),
        consume("a"),
        publish("", "w", b"1"),
        PAUSE,
        consume("b", arguments={"x-priority": 5}),
        publish("", "w", b"2"),
        PAUSE,
        Basic.Ack(1),
        PAUSE,
        publish("", "w", b"3"),
    ],
    "next single active consumer of a quorum queue": [
        quorum(single_active_consumer=True),
        consume("a"),
        consume("b"),
        consume("c", arguments={"x-priority": 5}),
        Basic.Cancel(consumer_tag="a"),
        publish("", "w"),
    ],
}
