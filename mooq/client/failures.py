"""Messages whose callback failed: redelivered once, then dead-lettered or discarded."""

from __future__ import annotations

import logging

from mooq.errors import Lost
from mooq.transports.base import TransportChannel
from mooq.transports.declarations import Queue
from mooq.transports.message import Delivery, Outcome

log: logging.Logger = logging.getLogger("mooq.callbacks")


async def outcome_of_failure(
    channel: TransportChannel,
    delivery: Delivery,
    who: str,
    queue_name: str,
    queue: Queue | None,
    error: Exception,
) -> Outcome:
    """Decide to requeue a message the first time and reject it the second time; log which.

    Both use basic.reject, which counts towards a quorum queue's delivery limit. ``queue`` is the
    queue's declaration, or None for a queue that was not declared.
    """
    message = delivery.message
    outcome = Outcome.REJECT if delivery.redelivered else Outcome.REQUEUE
    if outcome is Outcome.REQUEUE:
        consequence = "requeued, to be tried once more"
    elif queue is None:
        consequence = (
            "rejected: dead-lettered if its queue has a dead-letter exchange, else discarded"
        )
    elif queue.dead_letter_exchange is None:
        consequence = "discarded"
    else:
        routing_key = queue.dead_letter_key(message.routing_key)
        consequence = await _fate(channel, queue.dead_letter_exchange, routing_key)
    log.error(
        "%s failed; message %s (exchange %r, routing key %r, queue %r, %d bytes) is %s",
        who,
        message.message_id,
        message.exchange,
        message.routing_key,
        queue_name,
        len(message.body),
        consequence,
        exc_info=error,
    )
    return outcome


async def _fate(channel: TransportChannel, exchange_name: str, routing_key: str) -> str:
    """Return what the broker does with a dead letter for this exchange."""
    try:
        if not await channel.has_exchange(exchange_name):
            return (
                f"dropped, since its dead-letter exchange {exchange_name!r} does not exist; "
                "declare it again"
            )
        # The default exchange sends a message to the queue that its routing key names.
        if not exchange_name and await channel.count_ready(routing_key) is None:
            return (
                "dropped, since its dead-letter exchange is the default one, and no queue is "
                f"named {routing_key!r}"
            )
    except Lost:
        pass  # the broker requeues and redelivers the message
    return f"dead-lettered to exchange {exchange_name!r}"
