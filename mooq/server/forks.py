"""Closing of inherited sockets in forked children.

A child process inherits copies of its parent's sockets. They would keep the port and the
connections open after the parent has closed its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet


class HasSockets(Protocol):
    """An object that owns sockets."""

    def descriptors(self) -> Iterable[int]:
        """Return the file descriptors of the open sockets."""


_OWNERS: WeakSet[HasSockets] = WeakSet()  # os.register_at_fork() cannot be undone


def close_in_children(owner: HasSockets) -> None:
    """Close this owner's sockets in every child that is forked from now on."""
    _OWNERS.add(owner)


def unregister(owner: HasSockets) -> None:
    """Forget an owner whose sockets are closed."""
    _OWNERS.discard(owner)


def _close_all() -> None:
    """Replace each socket with /dev/null, so that its number is not reused for another file."""
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        for owner in list(_OWNERS):
            for descriptor in owner.descriptors():
                with contextlib.suppress(OSError):
                    os.dup2(nothing, descriptor)
        os.close(nothing)
    _OWNERS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)
