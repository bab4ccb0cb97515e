"""The usual arguments of a queue, with clear names and in seconds."""

from __future__ import annotations

from typing import Any, Literal

from mooq.client.properties import check_bool, check_int, milliseconds, optional_text
from mooq.transports.declarations import DEAD_LETTER_EXCHANGE, DEAD_LETTER_KEY, check_exchange_name


def queue_arguments(
    *,
    message_ttl: float | None = None,
    expires: float | None = None,
    max_length: int | None = None,
    max_length_bytes: int | None = None,
    overflow: Literal["drop-head", "reject-publish", "reject-publish-dlx"] | None = None,
    dead_letter_exchange: str | None = None,
    dead_letter_routing_key: str | None = None,
    max_priority: int | None = None,
    single_active_consumer: bool = False,
    queue_type: Literal["classic", "quorum"] | None = None,
    delivery_limit: int | None = None,
    consumer_timeout: float | None = None,
) -> dict[str, Any]:
    """Return arguments for :meth:`mooq.Channel.declare_queue` and ``register_consumer()``.

    ``message_ttl`` is the number of seconds that a message may wait. ``expires`` is the number of
    seconds after which an unused queue is deleted. A queue keeps at most ``max_length`` messages,
    or ``max_length_bytes`` of them; ``overflow`` decides which are dropped. ``max_priority`` (1 …
    255) makes it a priority queue. ``delivery_limit`` is how often a quorum queue delivers a
    message again. ``consumer_timeout`` is the number of seconds within which a message must be
    acknowledged. RabbitMQ 4.0 supports it, 3.10 does not, and 4.3 only for quorum queues. Raises
    ``TypeError`` and ``ValueError``.
    """
    given = {
        "x-message-ttl": None if message_ttl is None else milliseconds("message_ttl", message_ttl),
        "x-expires": None if expires is None else milliseconds("expires", expires),
        "x-max-length": _count("max_length", max_length),
        "x-max-length-bytes": _count("max_length_bytes", max_length_bytes),
        "x-overflow": optional_text("overflow", overflow),
        DEAD_LETTER_EXCHANGE: dead_letter_exchange,
        DEAD_LETTER_KEY: optional_text("dead_letter_routing_key", dead_letter_routing_key),
        "x-max-priority": _count("max_priority", max_priority),
        "x-single-active-consumer": check_bool("single_active_consumer", single_active_consumer)
        or None,
        "x-queue-type": optional_text("queue_type", queue_type),
        "x-delivery-limit": _count("delivery_limit", delivery_limit),
        "x-consumer-timeout": None
        if consumer_timeout is None
        else milliseconds("consumer_timeout", consumer_timeout),
    }
    if dead_letter_exchange is not None:
        check_exchange_name(dead_letter_exchange)
    return {name: value for name, value in given.items() if value is not None}


def _count(name: str, count: int | None) -> int | None:
    if count is None:
        return None
    if check_int(name, count) < 0:
        raise ValueError(f"{name} must not be negative, and is {count}")
    return count
