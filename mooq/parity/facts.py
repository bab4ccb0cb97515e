"""Programs written by hand, one for each rule of RabbitMQ's that users of mooq meet.

What each RabbitMQ made of them is kept in ``recorded/``; a program that hypothesis found, shrunk,
belongs here too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mooq.parity.programs import (
    Cancel,
    CloseChannel,
    CloseConnection,
    Consume,
    Declare,
    DeleteQueue,
    Drop,
    Fail,
    FailOnce,
    Get,
    Process,
    Program,
    Publish,
    Release,
    Restart,
    Send,
    Together,
    Wait,
)


class Fact(NamedTuple):
    """A rule, and a program that shows it."""

    name: str
    about: str
    program: Program


def to_queue(channel: str, consumer: str, queue: str = "q", **more: object) -> Consume:
    """Return a consumer of a queue that is bound to a direct exchange by the empty key."""
    return Consume(channel, consumer, "d", "direct", queue=queue, **more)  # type: ignore[arg-type]


def publishes(count: int, channel: str = "b1") -> tuple[Publish, ...]:
    """Return publishes, each awaited, to the direct exchange."""
    return (Publish(channel, "d"),) * count


MESSAGES: tuple[Any, ...] = (0, "", "é", 0.1, [], {"a": [None, True]}, "<a tuple>")

NOBODY = (to_queue("z1", "z"), CloseChannel("z1"))
"""A queue, bound, that nobody consumes."""

FACTS = (
    Fact(
        "round_robin",
        "Consumers of a queue take turns in the order in which they registered, wherever they are.",
        (
            to_queue("a1", "c1"),
            to_queue("a2", "c2"),
            to_queue("b1", "c3"),
            *publishes(9),
            Process("a"),
            Process("b"),
        ),
    ),
    Fact(
        "consumers_come_and_go",
        "A consumer that leaves is left out, one that joins is last, and the turn goes on.",
        (
            *(to_queue(f"a{number}", f"c{number}") for number in (1, 2, 3)),
            *publishes(7),
            Process("a"),
            to_queue("a4", "c4"),
            *publishes(9),
            Process("a"),
            CloseChannel("a2"),
            *publishes(8),
            Process("a"),
            to_queue("a5", "c5"),
            *publishes(8),
            Process("a"),
        ),
    ),
    Fact(
        "backlog_to_the_first",
        "What waits in a queue goes to the first consumer that has room for it.",
        (
            *NOBODY,
            *publishes(6),
            to_queue("a1", "c1"),
            to_queue("b1", "c2"),
            Process("a"),
            Process("b"),
        ),
    ),
    Fact(
        "prefetch",
        "A consumer holds no more than its prefetch count; who acknowledges gets the next.",
        (
            to_queue("a1", "c1", prefetch=1, does=Wait("c1 may end")),
            to_queue("a2", "c2", prefetch=1, does=Wait("c2 may end")),
            *publishes(8),
            Process("a"),
            Release("c2 may end"),
            Process("a"),
            Release("c2 may end"),
            Process("a"),
            Release("c1 may end"),
            Process("a"),
        ),
    ),
    Fact(
        "a_full_consumer_and_one_with_room",
        "A consumer found full on its turn is last once it has room; the other has every turn.",
        (
            to_queue("a1", "c1", prefetch=1, does=Wait("end")),
            to_queue("b1", "c2"),
            *publishes(8),
            Process("a"),
            Process("b"),
            Release("end"),
            *publishes(6),
            Process("a"),
            Process("b"),
        ),
    ),
    Fact(
        "a_full_consumer_keeps_its_turn",
        "A consumer that was full, and has room again before its turn, has not lost it.",
        (
            to_queue("a1", "c1", prefetch=1),
            to_queue("a1", "c2"),
            *publishes(2),
            Process("a"),
            *publishes(2),
            Process("a"),
        ),
    ),
    Fact(
        "back_to_their_places",
        "Messages of a channel that closes go back to where they were, flagged redelivered.",
        (
            to_queue("a1", "c1", prefetch=3, does=Wait("never")),
            *publishes(5),
            Process("a"),
            CloseChannel("a1"),
            *(Get("b1", queue="q"),) * 6,
        ),
    ),
    Fact(
        "given_back_to_others",
        "What a closing channel gives back, other consumers of the queue are given in its order.",
        (
            to_queue("a1", "c1", prefetch=3),
            to_queue("b1", "c2", prefetch=2),
            *publishes(7),
            CloseChannel("a1"),
            Process("b", cycles=5),
        ),
    ),
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
        "deleted_under_its_consumers",
        "A queue that is deleted takes its messages, bindings and consumers along.",
        (
            to_queue("a1", "c1", prefetch=1),
            *publishes(3),
            DeleteQueue("b1", "q"),
            DeleteQueue("b1", "q"),
            Process("a"),
            Publish("b1", "d", mandatory=True),
            to_queue("a1", "c2"),
            Publish("b1", "d", mandatory=True),
            Process("a"),
        ),
    ),
    Fact(
        "exclusive",
        "A queue without a name is its connection's own: others may only publish to it.",
        (
            Consume("a1", "c1", "f", "fanout"),
            Get("b1", queue="@c1"),
            DeleteQueue("b1", "@c1"),
            Publish("b1", "", "@c1", mandatory=True),
            Process("a"),
            Get("a2", queue="@c1"),
            CloseChannel("a1"),
            Get("a2", queue="@c1"),
            Publish("b1", "f", mandatory=True),
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
    Fact(
        "routing",
        "Direct by the very key, fanout always, topic by words; one message to many queues.",
        (
            Consume("a1", "direct", "d", "direct", keys=("", "*")),
            Consume("a1", "fanout", "f", "fanout"),
            Consume("a1", "star", "t", keys=("*",)),
            Consume("a1", "hash", "t", keys=("#",)),
            Consume("a1", "middle", "t", keys=("a.#.b",)),
            Consume("a1", "empty", "t", keys=("a.*.b", "")),
            *(Publish("b1", "d", key) for key in ("", "*", "a")),
            Publish("b1", "f", "any"),
            *(Publish("b1", "t", key) for key in ("", "a", "#", "a.b", "a..b", "a.x.y.b")),
            Process("a"),
        ),
    ),
    Fact(
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
    Fact(
        "ending_out_of_order",
        "Callbacks may end in any order; only what has not been acknowledged comes again.",
        (
            to_queue("a1", "slow", prefetch=2, does=Wait("end")),
            to_queue("a2", "quick", prefetch=2),
            *publishes(4),
            Process("a"),
            CloseChannel("a2"),
            Drop("a"),
            Process("a"),
        ),
    ),
    Fact(
        "cut_off",
        "A connection that closes gives back what its callbacks held when they were cut off.",
        (
            to_queue("a1", "c1", does=Wait("never")),
            *publishes(3),
            Process("a"),
            Publish("b1", "d"),
            CloseConnection("a"),
            Process("a"),
            Publish("a1", "d"),
            to_queue("b1", "c2"),
            Process("b"),
        ),
    ),
    Fact(
        "get",
        "A get takes the first message, or says that there is none, at once or after a timeout.",
        (
            Get("a1", "q"),
            *NOBODY,
            Get("a1", "q"),
            Get("a1", "q", timeout=0.02),
            *publishes(2),
            Get("a1", "q"),
            Get("b1", "q", timeout=0.02),
            Get("a1", "q"),
        ),
    ),
    Fact(
        "lost_and_back",
        "After a lost connection its consumers are back, last in turn; an own queue has lost all.",
        (
            to_queue("a1", "c1", prefetch=2),
            to_queue("b1", "c2", prefetch=1),
            Consume("a1", "c3", "f", "fanout"),
            *publishes(5),
            Publish("b1", "f"),
            Drop("a"),
            Process("b"),
            Publish("a1", "f"),
            Process("a"),
            *publishes(2),
            Process("b"),
            Process("a"),
        ),
    ),
    Fact(
        "restarted",
        "A restart keeps named queues, their bindings and messages; what was held comes again.",
        (
            to_queue("a1", "c1", prefetch=2, does=Wait("end")),
            Consume("a1", "c2", "f", "fanout"),
            *publishes(4),
            Process("a"),
            Restart(),
            Publish("b1", "d"),
            Release("end"),
            Process("a", cycles=2),
        ),
    ),
    Fact(
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
    Fact(
        "one_bad_at_once",
        "A publish that is refused harms none of those that were made at once with it.",
        (
            to_queue("a1", "c1"),
            Together((Publish("a1", "d"), Publish("a1", "nobody"), Publish("a1", "d"))),
            Process("a"),
        ),
    ),
    Fact(
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
    Fact(
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
"""The programs, by the names of their records."""
