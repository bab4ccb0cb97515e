"""Comparing what two brokers made of a program: what RabbitMQ determines must be the same.

Determined are every answer, what each consumer is given, in its order and with its flags, which
consumer has its turn, how many messages wait in each queue and which are left at the end; and for
the consumers of one channel also the order between queues, of messages that different operations
made arrive.

Open are just these (docs/differences.md):

- between queues, the order of messages that one operation made arrive: pipelined or fanned out;
- between the consumers of different channels, any order;
- for calls made together, each queue may see them in an order of its own, that of each channel
  kept, but for a publish and another call. An order is allowed if the in-memory broker does as
  RabbitMQ by it;
- a publish whose caller was cancelled may have been sent or not.
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
"""What a difference is about: a queue or the answers, the step (0: the end), and which of it."""


@dataclass(frozen=True)
class Difference:
    """One thing on which the brokers do not agree; ``step`` 0 is the end of the program."""

    step: int
    about: str
    ours: object
    theirs: object


async def differences(
    program: Program, ours: Trace, theirs: Trace, again: Callable[[Choices], Awaitable[Trace]]
) -> list[Difference]:
    """Return what the brokers do not agree on, in the order of the program.

    ``again`` runs the program on the in-memory broker with concurrent calls in an order.
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
    """Return every way in which RabbitMQ may take calls that are concurrent or cancelled."""
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
    """Return each two places of calls that keep their order, the earlier first.

    Those of one channel do, but a publish and another call: it has a TCP connection of its own,
    and waits for the publishes before it.
    """
    return [
        (first, second)
        for second, call in enumerate(calls)
        for first, earlier in enumerate(calls[:second])
        if earlier.channel == call.channel
        and isinstance(earlier, Publish) == isinstance(call, Publish)
    ]


def _disagreeing(program: Program, ours: Trace, theirs: Trace) -> dict[str, list[Difference]]:
    """Return by queue, and for the answers together, what differs."""
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
    """Return what a trace says, part by part."""
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
    """Return where the consumers of one channel were given messages of earlier steps too late."""
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
