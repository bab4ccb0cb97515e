"""Waiting until an event loop has read what has arrived at its sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from selectors import EVENT_READ, DefaultSelector

TURNS = 4
"""The iterations of a loop from a client's connect until its data is read."""


async def read_all(is_behind: Callable[[], bool]) -> None:
    """Return when the running loop has read everything that had arrived before the call.

    ``is_behind`` returns whether anything is left to read or to handle; it need not know a client
    that was accepted just now. Data from a client on this machine has arrived when the client's
    call returns.
    """
    quiet = 0
    while quiet < TURNS:
        await asyncio.sleep(0)  # in each iteration the loop reads every socket with input
        quiet = 0 if is_behind() else quiet + 1


def has_input(descriptors: Iterable[int]) -> bool:
    """Return whether there is data to read at one of these sockets."""
    with DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, EVENT_READ)
        return bool(selector.get_map()) and bool(selector.select(0))
