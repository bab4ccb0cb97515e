"""Messages that a callback failed on: tried once more, then dead-lettered or discarded."""

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
    """Return that a message is requeued the first time, rejected the second, and log which.

    Both are basic.reject, which counts towards a quorum queue's delivery limit.
    ``queue`` is what the queue was declared as; None for one that is taken as it is.
    """
    message = delivery.message
    outcome = Outcome.REJECT if delivery.redelivered else Outcome.REQUEUE
    if outcome is Outcome.REQUEUE:
        consequence = "requeued, to be tried once more"
    elif queue is None:
        consequence = "rejected: dead-lettered if its queue says where, else discarded"
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
                f"called {routing_key!r}"
            )
    except Lost:
        pass  # the broker requeues the message, and it comes again
    return f"dead-lettered to exchange {exchange_name!r}"
