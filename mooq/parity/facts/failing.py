"""Callbacks that fail, messages that die, and calls that are refused."""

from __future__ import annotations

from mooq.parity.facts.fact import Fact, publishes, to_queue
from mooq.parity.programs import (
    CloseConnection,
    Consume,
    Declare,
    Fail,
    FailOnce,
    Get,
    Process,
    Publish,
    Together,
)

FACTS = (
    Fact(
        "a_failing_callback",
        "A message whose callback failed comes once more, before later ones, and is then dropped.",
        (
            to_queue("a1", "c1", prefetch=1, does=Fail()),
            *publishes(2),
            Process("a", cycles=6),
            Get("b1", queue="q"),
        ),
    ),
    Fact(
        "failing_once",
        "A message whose callback failed goes to the next consumer in turn, flagged redelivered.",
        (
            to_queue("a1", "c1", does=FailOnce()),
            to_queue("b1", "c2"),
            *publishes(3),
            Process("a"),
            Process("b"),
            Process("a"),
        ),
    ),
    Fact(
        "dead_letters",
        "A message that failed twice goes to the dead-letter exchange, with its death on record.",
        (
            Consume("b1", "undertaker", "x", "fanout", queue="dead"),
            Consume("a1", "c1", "t", keys=("a.*",), queue="q", dead_letters="x", does=Fail()),
            Publish("b1", "t", "a.b", headers={"mine": 1}),
            Process("a", cycles=2),
            Process("b"),
        ),
    ),
    Fact(
        "dead_letters_that_waited",
        "RabbitMQ 4.3 flags a dead letter redelivered if it had to wait in its queue.",
        (
            Consume("b1", "undertaker", "x", "fanout", queue="dead", prefetch=1),
            to_queue("a1", "c1", dead_letters="x", does=Fail()),
            *publishes(2),
            Process("a", cycles=2),
            Process("b"),
            Process("b"),
        ),
    ),
    Fact(
        "dying_twice",
        "A message that dies in two queues, and twice in one, carries a record for each queue.",
        (
            Consume("a1", "c1", "d", "direct", queue="q", dead_letters="x", does=Fail()),
            Consume("a1", "c2", "x", "fanout", queue="r", dead_letters="d", does=Fail()),
            Publish("b1", "d", headers={"mine": 1}),
            Process("a", cycles=6),
            CloseConnection("a"),
            Get("b1", queue="q"),
            Get("b1", queue="r"),
        ),
    ),
    Fact(
        "dead_letters_nowhere",
        "Dead letters for an exchange that nobody declared are dropped; the default one routes.",
        (
            to_queue("a1", "c1", dead_letters="nobody", does=Fail()),
            to_queue("a1", "c2", "r", dead_letters="", does=Fail()),
            Publish("b1", "", "q"),
            Publish("b1", "", "r"),
            Process("a", cycles=3),
        ),
    ),
    Fact(
        "refused",
        "What RabbitMQ refuses, and what mooq refuses for it: nothing else is harmed.",
        (
            to_queue("a1", "c1"),
            Publish("a1", "nobody"),
            Declare("a1", "d", "topic"),
            Declare("a1", "amq.mine", "topic"),
            Declare("a1", "e", "unknown"),
            Declare("a1", "", "direct"),
            Declare("a1", "é", "direct"),
            Declare("a1", "e" * 128, "direct"),
            Consume("a1", "c2", "d", "topic", queue="q"),
            to_queue("a1", "c3", dead_letters="x"),
            to_queue("a1", "c4", "amq.mine"),
            to_queue("a1", "c5", prefetch=0),
            Consume("a1", "c6", "t", keys=("#.#.#",), queue="q"),
            Consume("a1", "c7", "t", keys=(), queue="q"),
            Get("a1", "nobody"),
            Publish("a1", "d", "k" * 256),
            Publish("a1", "d", msg="<NaN>"),
            Publish("a1", "d", headers={"CC": ["q"]}),
            Publish("a1", "d"),
            Process("a"),
            Declare("b1", "d", "direct"),
        ),
    ),
    Fact(
        "long_names",
        "RabbitMQ says no more than 255 bytes, and shows by dots that it would say more.",
        (
            Get("a1", "q" * 239),
            Consume("a1", "c1", "d", "direct", queue="q" * 239),
            Consume("a1", "c2", "d", "direct", queue="q" * 239, dead_letters="x"),
            Get("a1", "q" * 240),
            Publish("a1", "e" * 111),
        ),
    ),
    Fact(
        "mandatory",
        "A mandatory message that no queue is bound for is an error, any other is dropped.",
        (
            to_queue("a1", "c1"),
            Publish("a1", "d", "elsewhere", mandatory=True),
            Publish("a1", "d", "elsewhere"),
            Publish("a1", "", "nobody", mandatory=True),
            Publish("a1", "", "q", mandatory=True),
            Process("a"),
        ),
    ),
    Fact(
        "one_bad_at_once",
        "A publish that is refused harms none of those that were made at once with it.",
        (
            to_queue("a1", "c1"),
            Together((Publish("a1", "d"), Publish("a1", "nobody"), Publish("a1", "d"))),
            Process("a"),
        ),
    ),
)
