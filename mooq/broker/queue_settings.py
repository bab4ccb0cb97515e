"""Settings of a queue, from its arguments."""

from __future__ import annotations

from mooq.broker.values import INTEGER_TYPES, Table, type_name
from mooq.broker.versions import Version


class QueueSettings:
    """The limits of a queue, and where its dead letters go."""

    def __init__(self, arguments: Table, queue_type: str, version: Version) -> None:
        self.type = queue_type
        self.arguments = arguments

        def integer(name: str) -> int | None:
            value = arguments.get(name)
            return None if value is None else int(value)

        self.ttl: int | None = integer("x-message-ttl")
        self.expires: int | None = integer("x-expires")
        self.max_length: int | None = integer("x-max-length")
        self.max_bytes: int | None = integer("x-max-length-bytes")
        self.max_priority: int | None = integer("x-max-priority")
        self.overflow: str = arguments.get("x-overflow", "drop-head")
        if self.type == "quorum" and self.overflow == "reject-publish-dlx":
            self.overflow = "drop-head"  # overflow() of rabbit_quorum_queue
        self.dead_letter_exchange: str | None = arguments.get("x-dead-letter-exchange")
        self.dead_letter_key: str | None = arguments.get("x-dead-letter-routing-key")
        limit = arguments.get("x-delivery-limit")
        if type_name(limit) not in INTEGER_TYPES:  # RabbitMQ ignores other types
            limit = None
        self.delivery_limit = version.delivery_limit if limit is None else limit
        if limit is not None and limit < 0 and version.has_unlimited_deliveries:
            self.delivery_limit = None
