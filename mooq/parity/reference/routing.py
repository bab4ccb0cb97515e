"""Programs about routing and the contents of messages."""

from __future__ import annotations

from mooq.parity.programs import (
    Cancel,
    Consume,
    Declare,
    DeleteQueue,
    Get,
    Process,
    Publish,
    Send,
    Together,
)
from mooq.parity.reference.program import MESSAGES, ReferenceProgram, publishes, to_queue

REFERENCE_PROGRAMS = (
    ReferenceProgram(
        "one_copy",
        "However many bindings match, a queue gets one copy; two exchanges make two messages.",
        (
            Consume("a1", "c1", "t", keys=("a.#", "#.b", "a.#"), queue="q"),
            Consume("a1", "c2", "f", "fanout", keys=("x", "y"), queue="q"),
            Publish("b1", "t", "a.b"),
            Publish("b1", "f", "z"),
            Publish("b1", "t", "c"),
            Process("a"),
        ),
    ),
    ReferenceProgram(
        "routing",
        "Direct by the very key, fanout always, topic by words; one message to many queues.",
        (
            Consume("a1", "direct", "d", "direct", keys=("", "*")),
            Consume("a1", "fanout", "f", "fanout"),
            Consume("a1", "star", "t", keys=("*",)),
            Consume("a1", "hash", "t", keys=("#",)),
            Consume("a1", "hashes", "t", keys=("#.#",)),
            Consume("a1", "middle", "t", keys=("a.#.b",)),
            Consume("a1", "empty", "t", keys=("a.*.b", "")),
            *(Publish("b1", "d", key) for key in ("", "*", "a")),
            Publish("b1", "f", "any"),
            *(Publish("b1", "t", key) for key in ("", "a", "#", "a.b", "a..b", "a.x.y.b")),
            Process("a"),
        ),
    ),
    ReferenceProgram(
        "bindings_go_with_their_queue",
        "When a queue is deleted, no exchange routes to it any more, and to others as before.",
        (
            *(
                Consume("a1", f"{queue}-{kind}", kind[0], kind, keys=keys, queue=f"{queue}-{kind}")
                for kind, keys in (
                    ("topic", ("a.*.b", "a.*", "#.b")),
                    ("direct", ("a.b", "c")),
                    ("fanout", ("",)),
                )
                for queue in ("first", "other")
            ),
            *(DeleteQueue("b1", f"first-{kind}") for kind in ("topic", "direct", "fanout")),
            *(Publish("b1", kind, "a.b", mandatory=True) for kind in "tdf"),
            Process("a"),
            *(DeleteQueue("b1", f"other-{kind}") for kind in ("topic", "direct", "fanout")),
            *(
                Publish("b1", kind, key, mandatory=True)
                for kind in "tdf"
                for key in ("a.b", "a.x.b", "c")
            ),
            Consume("a1", "again", "t", keys=("a.*",), queue="first-topic"),
            Publish("b1", "t", "a.b", mandatory=True),
            Publish("b1", "t", "a.x.b", mandatory=True),
        ),
    ),
    ReferenceProgram(
        "what_rabbitmq_has",
        "RabbitMQ has exchanges of its own, which may be published to but not declared.",
        (
            to_queue("a1", "c1"),
            *(
                Publish("a1", f"amq.{kind}", "q", mandatory=mandatory)
                for kind in ("direct", "fanout", "topic", "headers", "match", "unknown")
                for mandatory in (False, True)
            ),
            Declare("a1", "amq.fanout", "fanout"),
            to_queue("a1", "c2", "amq.gen-mine"),
            Process("a"),
        ),
    ),
    ReferenceProgram(
        "publishing_in_a_callback",
        "What a callback publishes is delivered like anything else, after its own message ended.",
        (
            to_queue("a1", "c1", does=Send("f")),
            Consume("a1", "c2", "f", "fanout", queue="r"),
            *publishes(2),
            Process("a"),
            Process("a"),
        ),
    ),
    ReferenceProgram(
        "at_once",
        "Publishes that a client makes at once keep their order; those of several may mingle.",
        (
            to_queue("a1", "c1"),
            Consume("a1", "c2", "t", keys=("#",), queue="r"),
            Together((Publish("b1", "d"), Publish("b1", "d"), Publish("b1", "t"))),
            Process("a"),
            Together((Publish("a1", "d"), Publish("b1", "d"), Publish("b2", "t"), Get("c1", "r"))),
            Process("a"),
        ),
    ),
    ReferenceProgram(
        "cancelled",
        "A publish whose caller is cancelled arrives or does not, and nothing else is harmed.",
        (
            to_queue("a1", "c1"),
            Publish("a1", "d"),
            Cancel(Publish("a1", "d")),
            Publish("a1", "d"),
            Process("a"),
        ),
    ),
    ReferenceProgram(
        "what_messages_hold",
        "Messages arrive as JSON holds them, headers as they were, an id only if one was given.",
        (
            to_queue("a1", "c1"),
            *(Publish("a1", "d", msg=msg) for msg in MESSAGES),
            Publish("a1", "d", headers={"h": [1, {"n": None}], "s": "é", "big": 2**62}),
            Publish("a1", "d", message_id="mine"),
            Process("a"),
        ),
    ),
)
