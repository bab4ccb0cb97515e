"""Comparison of two traces: it allows only differences that RabbitMQ leaves open."""

from __future__ import annotations

import pytest

from mooq.parity.comparable import comparable
from mooq.parity.comparison import Difference, differences, orders
from mooq.parity.programs import (
    Call,
    Cancel,
    CloseChannel,
    CloseConnection,
    Consume,
    Declare,
    Drop,
    Get,
    Process,
    Program,
    Publish,
    Together,
)
from mooq.parity.run import Choices, run
from mooq.parity.targets import InMemory
from mooq.parity.trace import Delivered, Step, Trace

TWO_QUEUES: Program = (
    Consume("a1", "c1", "f", "fanout", queue="q"),
    Consume("a1", "c2", "f", "fanout", queue="r"),
    Publish("b1", "f"),
    Publish("b1", "f"),
    Process("a"),
)


def given(*names: str, since: tuple[int, ...] = ()) -> Trace:
    """Return a trace of TWO_QUEUES with deliveries to these consumers, in this order."""
    counts: dict[str, int] = {}
    deliveries = []
    for place, name in enumerate(names):
        counts[name] = counts.get(name, 0) + 1
        deliveries.append(Delivered(name, f"message {counts[name]}", since[place] if since else 0))
    answers = [Step(("q",)), Step(("r",)), Step(("",)), Step(("",))]
    return Trace((*answers, Step(("",), tuple(deliveries))), {})


async def never(_: Choices) -> Trace:
    raise AssertionError("nothing is open here")


async def compared(program: Program, ours: Trace, theirs: Trace) -> list[Difference]:
    return await differences(program, ours, theirs, never)


async def test_one_message_may_leave_queues_in_any_order() -> None:
    ours = given("c1", "c2", "c1", "c2", since=(3, 3, 4, 4))

    assert await compared(TWO_QUEUES, ours, given("c2", "c1", "c1", "c2")) == []


async def test_later_message_may_not_overtake_an_earlier_one() -> None:
    ours = given("c1", "c2", "c1", "c2", since=(3, 3, 4, 4))

    (found,) = await compared(TWO_QUEUES, ours, given("c1", "c1", "c2", "c2"))

    assert (found.step, found.about) == (5, "order between the queues of channel a1")


async def test_consumers_of_two_channels_start_in_any_order() -> None:
    program = tuple(
        Consume("a2", "c2", "f", "fanout", queue="r") if number == 1 else step
        for number, step in enumerate(TWO_QUEUES)
    )
    ours = given("c1", "c2", "c1", "c2", since=(3, 3, 4, 4))

    assert await compared(program, ours, given("c1", "c1", "c2", "c2")) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "about"),
    [
        (Step(("yes",)), Step(("no",)), "answer of call 1"),
        (Step(("",), ready={"q": 1}), Step(("",), ready={"q": 2}), "ready in q"),
        (Step(("",), ready={"q": 1}), Step(("",)), "ready in q"),
        (Step(("",), (Delivered("c", "m"),)), Step(("",)), "given to c"),
        (Step(("",), (Delivered("c", "m"),)), Step(("",), (Delivered("d", "m"),)), "given to c"),
        (
            Step(("",), (Delivered("c", "m"), Delivered("c", "n"))),
            Step(("",), (Delivered("c", "n"), Delivered("c", "m"))),
            "given to c",
        ),
    ],
)
async def test_deterministic_outcomes_must_match(ours: Step, theirs: Step, about: str) -> None:
    consumers = (Consume("a1", "c", "f", queue="q"), Consume("a1", "d", "f", queue="q"))
    program = (*consumers, Process("a"))
    registered = (Step(("q",)), Step(("q",)))

    found = await compared(
        program, Trace((*registered, ours), {}), Trace((*registered, theirs), {})
    )

    assert about in [difference.about for difference in found]


async def test_messages_left_in_queues_must_match() -> None:
    (found,) = await compared((), Trace((), {"q": ("m",)}), Trace((), {}))

    assert found == Difference(0, "left in q", ["m"], None)


AT_ONCE: Program = (
    Consume("a1", "c1", "d", "direct", queue="q"),
    Together((Publish("b1", "d", msg="b"), Publish("c1", "d", msg="c"))),
    Process("a"),
)


async def in_memory(choices: Choices) -> Trace:
    return await run(AT_ONCE, InMemory(), choices)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_concurrent_publishes_may_have_any_order(order: tuple[int, ...]) -> None:
    theirs = await in_memory({2: order})

    assert await differences(AT_ONCE, await run(AT_ONCE, InMemory()), theirs, in_memory) == []


async def test_call_order_does_not_excuse_a_lost_message() -> None:
    whole = await in_memory({2: (1, 0)})
    last = Step(("",), whole.steps[-1].deliveries[:1], whole.steps[-1].ready)
    theirs = Trace((*whole.steps[:-1], last), whole.left)

    found = await differences(AT_ONCE, await run(AT_ONCE, InMemory()), theirs, in_memory)

    assert [difference.about for difference in found] == ["given to c1"]


def test_calls_of_one_channel_keep_their_order() -> None:
    program = (Together((Publish("a1", "e"), Publish("b1", "e"), Publish("a1", "e"))),)

    assert list(orders(program)) == [{1: (0, 1, 2)}, {1: (0, 2, 1)}, {1: (1, 0, 2)}]


@pytest.mark.parametrize("call", [Get("a1", "q"), Declare("a1", "e")])
def test_publish_and_other_call_may_be_reordered(call: Call) -> None:
    program = (Together((call, Publish("a1", "e"))),)

    assert list(orders(program)) == [{1: (0, 1)}, {1: (1, 0)}]


def test_get_and_declaration_keep_their_order() -> None:
    program = (Together((Get("a1", "q"), Declare("a1", "e"))),)

    assert list(orders(program)) == [{1: (0, 1)}]


def test_cancelled_publish_may_be_sent_or_not() -> None:
    assert list(orders((Publish("a1", "e"), Cancel(Publish("a1", "e"))))) == [{2: (0,)}, {2: ()}]


def test_channels_sharing_a_queue_are_closed_first() -> None:
    consumers = tuple(Consume(channel, "", "e", queue="q") for channel in ("a1", "a2"))

    program = comparable((*consumers, CloseConnection("a")))

    assert program[2:] == (CloseChannel("a1"), CloseChannel("a2"), CloseConnection("a"))


def test_connection_sharing_a_queue_is_not_dropped() -> None:
    consumers = tuple(Consume(channel, "", "e", queue="q") for channel in ("a1", "a2"))

    assert len(comparable((*consumers, Drop("a"), Drop("b")))) == 3


def test_program_has_at_most_three_concurrent_steps() -> None:
    together = Together((Get("a1", "q"), Get("b1", "q")))

    assert comparable((together,) * 5) == (together,) * 3
