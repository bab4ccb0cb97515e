"""Permissions of a user in a virtual host: regular expressions for names, as in RabbitMQ."""

from __future__ import annotations

import re
from typing import NamedTuple

from mooq.broker import refusals
from mooq.broker.values import FieldValue

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
        if kind == "exchange" and not name:
            name = "amq.default"
        if not self._permits(permission, name):
            which = f"{_NAMES[permission]} " if self.are_named else ""
            raise refusals.permission_missing(which, kind, name, self.virtual_host, self.user)

    def check_any(self, kind: str, name: str) -> None:
        """Raise a refusal if no operation is permitted. It names the permission to configure."""
        if not self._permits(WRITE, name) and not self._permits(READ, name):
            self.check(CONFIGURE, kind, name)

    def check_target(self, kind: str, name: str, exchange: FieldValue) -> None:
        """Raise a refusal if messages must not pass from a new queue or exchange to an exchange.

        ``exchange`` is the argument that names it.
        """
        if isinstance(exchange, str):
            self.check(READ, kind, name)
            self.check(WRITE, "exchange", exchange)

    def _permits(self, permission: int, name: str) -> bool:
        if self.patterns is None:
            return True
        pattern = self.patterns[permission]
        # In RabbitMQ, an empty pattern matches nothing.
        return bool(pattern) and re.search(pattern, name) is not None
