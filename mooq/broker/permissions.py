"""Permissions of a user in a virtual host: regular expressions for names, as in RabbitMQ."""

from __future__ import annotations

import re
from typing import NamedTuple

from mooq.broker import refusals

CONFIGURE, WRITE, READ = range(3)
_NAMES = ("configure", "write", "read")


class Permissions(NamedTuple):
    """The permissions of a user; ``patterns`` are for configure, write and read, None for all.

    ``are_named`` is whether a refusal says which permission is missing.
    """

    user: str
    virtual_host: str
    patterns: tuple[str, str, str] | None
    are_named: bool

    @property
    def are_limited(self) -> bool:
        """Whether there are patterns."""
        return self.patterns is not None

    def check(self, permission: int, kind: str, name: str) -> None:
        """Raise a refusal for an operation that is not permitted."""
        if self.patterns is None:
            return
        pattern = self.patterns[permission]
        # In RabbitMQ, an empty pattern matches nothing.
        if not pattern or re.search(pattern, name) is None:
            which = f"{_NAMES[permission]} " if self.are_named else ""
            raise refusals.permission_missing(which, kind, name, self.virtual_host, self.user)
