"""Options of a connection that AMQP negotiates, or tells the broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HEARTBEAT = 10
NAME = "mooq"
MOST_CHANNELS = 65535  # that AMQP 0-9-1 can number on a connection; RabbitMQ calls it 0


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """What a connection asks for; :func:`mooq.client.options.check_options` checks it.

    ``heartbeat`` is in seconds, 0 for none; ``channel_max`` 0 for as many as the broker allows.
    """

    heartbeat: int = HEARTBEAT
    channel_max: int = 0
    client_name: str = NAME
    client_properties: Mapping[str, Any] = field(default_factory=dict)

    def channels_of(self, allowed: int) -> int:
        """Return the most channels, of those that the broker allows; 0 is no limit in either."""
        return min(self.channel_max or MOST_CHANNELS, allowed or MOST_CHANNELS)


DEFAULT_OPTIONS = ConnectionOptions()
