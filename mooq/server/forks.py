"""Sockets that a forked child lets go of.

A child has copies of its parent's sockets. With them a port goes on accepting, and connections stay
open, when the parent has closed its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet


class HasSockets(Protocol):
    """Something with file descriptors of sockets."""

    def descriptors(self) -> Iterable[int]:
        """Return the descriptors that are open."""


_OWNERS: WeakSet[HasSockets] = WeakSet()  # os.register_at_fork() knows no way back


def release_in_children(owner: HasSockets) -> None:
    """Have every child that is forked from now on let go of this owner's sockets."""
    _OWNERS.add(owner)


def keep(owner: HasSockets) -> None:
    """Forget an owner whose sockets are closed."""
    _OWNERS.discard(owner)


def _release() -> None:
    """Put nothing in the place of each socket: its number must not go to another file."""
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        for owner in list(_OWNERS):
            for descriptor in owner.descriptors():
                with contextlib.suppress(OSError):
                    os.dup2(nothing, descriptor)
        os.close(nothing)
    _OWNERS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release)
