"""Outcomes of a program's steps, and where those of two brokers differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import TypeAlias

Outcome: TypeAlias = Mapping[str, tuple[str, ...]]
"""What arrived during a step, in order, by channel and kind: ``"0.1 deliveries"``."""

_FROM_QUEUE = " from queue "
_DELIVERY_TAG = re.compile(r"'delivery_tag': \d+")


def delivery_line(line: str, queue: str) -> str:
    """Return the line of a delivery from a queue."""
    return f"{line}{_FROM_QUEUE}{queue}"


def differing(ours: Iterable[Outcome], theirs: Iterable[Outcome]) -> list[int]:
    """Return the numbers of the steps, from 1, whose outcomes differ.

    Each queue delivers on its own, so RabbitMQ leaves the order of deliveries from several queues
    to one channel open. The comparison ends at a step that differs in nothing else, because the
    delivery tags differ from there on.
    """
    numbers = []
    for number, (mine, other) in enumerate(zip_longest(ours, theirs), 1):
        if mine != other:
            if mine and other and _by_queue(mine) == _by_queue(other):
                break
            numbers.append(number)
    return numbers


def _by_queue(outcome: Outcome) -> Outcome:
    """Return an outcome with the deliveries of each queue together, without their tags."""
    return {
        key: tuple(_DELIVERY_TAG.sub("", line) for line in sorted(lines, key=_queue_of))
        for key, lines in outcome.items()
    }


def _queue_of(line: str) -> str:
    return line.rpartition(_FROM_QUEUE)[2] if _FROM_QUEUE in line else ""
