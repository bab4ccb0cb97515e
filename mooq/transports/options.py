"""Connection options that are negotiated in AMQP or sent to the broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HEARTBEAT = 10
NAME = "mooq"
MOST_CHANNELS = 65535  # the maximum of AMQP 0-9-1; RabbitMQ's channel_max 0


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """The options of a connection, checked by :func:`mooq.client.options.check_options`.

    ``heartbeat`` is in seconds, 0 for none. ``channel_max`` 0 means as many as the broker allows.
    """

    heartbeat: int = HEARTBEAT
    channel_max: int = 0
    client_name: str = NAME
    client_properties: Mapping[str, Any] = field(default_factory=dict)

    def channels_of(self, allowed: int) -> int:
        """Return the negotiated maximum of channels; 0 means no limit on either side."""
        return min(self.channel_max or MOST_CHANNELS, allowed or MOST_CHANNELS)


DEFAULT_OPTIONS = ConnectionOptions()
