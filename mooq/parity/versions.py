"""Versions of RabbitMQ, and those that the in-memory broker behaves as."""

from __future__ import annotations

from mooq.broker.versions import VERSIONS


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the numbers of a version that tell RabbitMQ's release series."""
    return tuple(int(part) for part in version.split(".")[:2])


def followed(version: str) -> str:
    """Return the version to behave as: the newest known one that is not newer."""
    known = sorted(VERSIONS, key=numbers_of)
    older = [one for one in known if numbers_of(one) <= numbers_of(version)]
    return older[-1] if older else known[0]
