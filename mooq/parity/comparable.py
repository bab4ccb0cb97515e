"""Leaving out of a program the few things whose outcome RabbitMQ leaves open without end."""

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
    """Return a program that can be compared, its consumers named in order.

    - Two channels that end together give back what they hold in either order, so the channels of
      a connection that consume from one queue are closed one by one before it is, and such a
      connection is not dropped.
    - Each step with concurrent calls multiplies the orders to be tried: three are allowed.
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
