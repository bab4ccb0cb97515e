"""Versions of RabbitMQ, and the corresponding versions of the in-memory broker."""

from __future__ import annotations

from mooq.broker.versions import VERSIONS


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, RabbitMQ's release series."""
    return tuple(int(part) for part in version.split(".")[:2])


def followed(version: str) -> str:
    """Return the newest supported version that is not newer than ``version``."""
    known = sorted(VERSIONS, key=numbers_of)
    older = [one for one in known if numbers_of(one) <= numbers_of(version)]
    return older[-1] if older else known[0]
