"""The summary of a run's RabbitMQ."""

from __future__ import annotations

from dataclasses import dataclass

from mooq.testing.lease import Failed, RunningRabbitMQ, Unavailable


@dataclass
class RunSummary:
    """Collects the summary; the owner of RabbitMQ reports to it."""

    began: float | None = None
    """When it was first asked for, in seconds of the monotonic clock."""
    answer: RunningRabbitMQ | Unavailable | Failed | None = None
    """The answer to all requests; None while they wait."""
    seconds: float = 0.0
    """How long it took to be ready."""
    virtual_hosts: int = 0
    """The number of virtual hosts given to tests."""
