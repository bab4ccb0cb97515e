"""Removal of steps from a program whose outcome RabbitMQ does not determine."""

from __future__ import annotations

import dataclasses

from mooq.parity.programs import (
    Cancel,
    CloseChannel,
    CloseConnection,
    Consume,
    Drop,
    Operation,
    Program,
    Together,
    connection_of,
)

MOST_OPEN_STEPS = 3


def comparable(program: Program) -> Program:
    """Return a program that can be compared, with its consumers named in order.

    - Channels that end together requeue their messages in any order. So if several channels of a
      connection consume from one queue, they are closed one by one before the connection, and the
      connection is not dropped.
    - Each step with concurrent calls multiplies the possible orders, so at most three are kept.
    """
    result: list[Operation] = []
    consumers = open_steps = 0
    consuming: dict[str, dict[str, list[str]]] = {}  # connection, queue: channels
    for step in program:
        if isinstance(step, Together | Cancel):
            open_steps += 1
            if open_steps > MOST_OPEN_STEPS:
                continue
        if isinstance(step, Consume):
            consumers += 1
            step = dataclasses.replace(step, consumer=f"c{consumers}")
            queue = step.queue or f"@c{consumers}"
            of_connection = consuming.setdefault(connection_of(step.channel), {})
            of_connection.setdefault(queue, []).append(step.channel)
        if isinstance(step, CloseConnection | Drop):
            shared = [
                channel
                for channels in consuming.get(step.connection, {}).values()
                if len(set(channels)) > 1
                for channel in channels
            ]
            if shared and isinstance(step, Drop):
                continue
            result += map(CloseChannel, dict.fromkeys(shared))
        result.append(step)
    return tuple(result)
