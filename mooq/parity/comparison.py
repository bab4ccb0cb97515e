"""Comparison of two traces of a program: everything that RabbitMQ determines must be equal.

RabbitMQ determines every result, the deliveries of each consumer with their order and flags, the
number of ready messages in each queue, and the messages left at the end. For the consumers of one
channel, it also determines the order between queues of messages from different operations.

Only these may differ (docs/differences.md):

- the order between queues of messages from one operation, pipelined or fanned out;
- the order between consumers of different channels;
- the order in which each queue handles concurrent calls. Calls on one channel stay in order, except
  a publish and another call. An order is allowed if the in-memory broker with that order behaves as
  RabbitMQ did;
- whether a cancelled publish was sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import islice, permutations, product

from mooq.parity.programs import (
    Call,
    Cancel,
    Consume,
    Get,
    Process,
    Program,
    Publish,
    Together,
    calls_of,
)
from mooq.parity.run import Choices
from mooq.parity.trace import Trace

MOST_ORDERS = 3000
Part = tuple[str, int, str]
"""A part of a trace: a queue or the answers, the number of the step (0 for the end), and a name."""


@dataclass(frozen=True)
class Difference:
    """A difference between the brokers; ``step`` 0 is the end of the program."""

    step: int
    about: str
    ours: object
    theirs: object


async def differences(
    program: Program, ours: Trace, theirs: Trace, again: Callable[[Choices], Awaitable[Trace]]
) -> list[Difference]:
    """Return the differences between two traces, in the order of the program.

    ``again`` runs the program on the in-memory broker with its concurrent calls in a given order.
    """
    wrong = _disagreeing(program, ours, theirs)
    if not wrong:
        return _out_of_order(program, ours, theirs)
    for choices in islice(orders(program), MOST_ORDERS):
        if not wrong:
            return []
        other = await again(choices)
        also = _disagreeing(program, other, theirs)
        wrong = {view: parts for view, parts in wrong.items() if view in also}
    found = [part for parts in wrong.values() for part in parts]
    return sorted(found, key=lambda difference: difference.step or len(program) + 1)


def orders(program: Program) -> Iterator[Choices]:
    """Return every order in which RabbitMQ may handle concurrent and cancelled calls."""
    open_steps = {}
    for number, step in enumerate(program, 1):
        if isinstance(step, Together):
            kept = _kept(step.calls)
            open_steps[number] = [
                order
                for order in permutations(range(len(step.calls)))
                if all(order.index(first) < order.index(second) for first, second in kept)
            ]
        elif isinstance(step, Cancel):
            open_steps[number] = [(0,), ()]
    if open_steps:
        for chosen in product(*open_steps.values()):
            yield dict(zip(open_steps, chosen, strict=True))


def _kept(calls: tuple[Call, ...]) -> list[tuple[int, int]]:
    """Return the pairs of calls that stay in order, by their positions.

    Calls of one channel do, except a publish and another call, because publishes use a separate
    TCP connection.
    """
    return [
        (first, second)
        for second, call in enumerate(calls)
        for first, earlier in enumerate(calls[:second])
        if earlier.channel == call.channel
        and isinstance(earlier, Publish) == isinstance(call, Publish)
    ]


def _disagreeing(program: Program, ours: Trace, theirs: Trace) -> dict[str, list[Difference]]:
    """Return the differences by queue, and those of all answers together."""
    wrong: dict[str, list[Difference]] = {}
    mine, others = _parts(program, ours), _parts(program, theirs)
    for part in {**mine, **others}:
        if mine.get(part) != others.get(part):
            view, step, about = part
            wrong.setdefault(view, []).append(
                Difference(step, about, mine.get(part), others.get(part))
            )
    return wrong


def _parts(program: Program, trace: Trace) -> dict[Part, object]:
    """Return the parts of a trace."""
    parts: dict[Part, object] = {}
    for number, (operation, step) in enumerate(zip(program, trace.steps, strict=True), 1):
        for place, (call, answer) in enumerate(
            zip(calls_of((operation,)), step.answer, strict=True), 1
        ):
            view = f"queue {call.queue}" if isinstance(call, Get) else "answers"
            parts[view, number, f"answer of call {place}"] = answer
        for queue, ready in step.ready.items():
            parts[f"queue {queue}", number, f"ready in {queue}"] = ready
        for consumer in dict.fromkeys(one.consumer for one in step.deliveries):
            parts[f"queue {_queue(program, consumer)}", number, f"given to {consumer}"] = [
                one.text for one in step.deliveries if one.consumer == consumer
            ]
    for queue, texts in trace.left.items():
        parts[f"queue {queue}", 0, f"left in {queue}"] = list(texts)
    return parts


def _consumer(program: Program, name: str) -> Consume:
    return next(
        call for call in reversed(program) if isinstance(call, Consume) and call.consumer == name
    )


def _queue(program: Program, consumer: str) -> str:
    return _consumer(program, consumer).queue or f"@{consumer}"


def _out_of_order(program: Program, ours: Trace, theirs: Trace) -> list[Difference]:
    """Return where consumers of one channel got messages of an earlier step after a later one."""
    wrong = []
    for number, operation in enumerate(program, 1):
        if not isinstance(operation, Process):
            continue
        mine, others = ours.steps[number - 1].deliveries, theirs.steps[number - 1].deliveries
        for channel in dict.fromkeys(_consumer(program, one.consumer).channel for one in mine):
            since: dict[str, list[int]] = {}
            for one in mine:
                since.setdefault(one.consumer, []).append(one.since)
            steps = [
                since[one.consumer].pop(0)
                for one in others
                if _consumer(program, one.consumer).channel == channel
            ]
            if steps != sorted(steps):
                wrong.append(
                    Difference(
                        number,
                        f"order between the queues of channel {channel}",
                        [f"{one.consumer}: {one.text}" for one in mine],
                        [f"{one.consumer}: {one.text}" for one in others],
                    )
                )
    return wrong
