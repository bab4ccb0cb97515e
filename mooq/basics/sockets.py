"""Reading what has arrived at sockets, as far as an event loop has not done so yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from selectors import EVENT_READ, DefaultSelector

TURNS = 4
"""Turns of a loop from a client that waits to be accepted to what is read of it."""


async def read_all(is_behind: Callable[[], bool]) -> None:
    """Return when the running loop has read what had arrived at its sockets before the call.

    ``is_behind`` tells whether something is left to read or to deal with; who has just been
    accepted need not be known to it yet. What a client on this machine has sent has arrived when
    its call returns.
    """
    quiet = 0
    while quiet < TURNS:
        await asyncio.sleep(0)  # in each turn the loop reads every socket with input
        quiet = 0 if is_behind() else quiet + 1


def has_input(descriptors: Iterable[int]) -> bool:
    """Return whether something is to be read at one of these sockets."""
    with DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, EVENT_READ)
        return bool(selector.get_map()) and bool(selector.select(0))
