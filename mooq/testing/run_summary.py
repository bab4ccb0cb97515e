"""Summary of a run's RabbitMQ, for people to read."""

from __future__ import annotations

from dataclasses import dataclass

from mooq.testing.lease import Failed, RunningRabbitMQ, Unavailable


@dataclass
class RunSummary:
    """Told by whoever owns RabbitMQ, while it happens."""

    began: float | None = None
    """When it was first asked for, by the monotonic clock."""
    answer: RunningRabbitMQ | Unavailable | Failed | None = None
    """What all who asked were told; None while they wait."""
    seconds: float = 0.0
    """How long it took to be ready."""
    virtual_hosts: int = 0
    """How many were given to tests."""
