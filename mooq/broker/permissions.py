"""Permissions of a user in a virtual host: regular expressions of names, as RabbitMQ has them."""

from __future__ import annotations

import re
from typing import NamedTuple

from mooq.broker import refusals

CONFIGURE, WRITE, READ = range(3)
_NAMES = ("configure", "write", "read")


class Permissions(NamedTuple):
    """What one user may do. ``patterns`` are for configure, write and read; None allows all."""

    user: str
    virtual_host: str
    patterns: tuple[str, str, str] | None = None

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
            raise refusals.permission_missing(
                _NAMES[permission], kind, name, self.virtual_host, self.user
            )
