"""Permissions of a user in a virtual host: regular expressions of names, as RabbitMQ has them."""

from __future__ import annotations

import re
from typing import NamedTuple

from mooq.broker import refusals

CONFIGURE, WRITE, READ = range(3)
_NAMES = ("configure", "write", "read")


class Permissions(NamedTuple):
    """What one user may do. ``patterns`` are for configure, write and read; None allows all.

    ``are_named`` is whether a refusal says which permission is missing.
    """

    user: str
    virtual_host: str
    patterns: tuple[str, str, str] | None
    are_named: bool

    @property
    def are_limited(self) -> bool:
        """Whether anything is forbidden."""
        return self.patterns is not None

    def check(self, permission: int, kind: str, name: str) -> None:
        """Raise the refusal of what is not permitted."""
        if self.patterns is None:
            return
        pattern = self.patterns[permission]
        # RabbitMQ takes an empty pattern for one that matches nothing.
        if not pattern or re.search(pattern, name) is None:
            which = f"{_NAMES[permission]} " if self.are_named else ""
            raise refusals.permission_missing(which, kind, name, self.virtual_host, self.user)
