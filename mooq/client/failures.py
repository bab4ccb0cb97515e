"""Messages that a callback failed on: tried once more, then dead-lettered or discarded."""

from __future__ import annotations

import logging

from mooq.errors import Lost
from mooq.transports.base import TransportChannel
from mooq.transports.message import Delivery, Message, Outcome

log: logging.Logger = logging.getLogger("mooq.callbacks")


async def outcome_of_failure(
    channel: TransportChannel,
    delivery: Delivery,
    who: str,
    queue_name: str,
    dead_letter_exchange: str | None,
    error: Exception,
    *,
    is_queue_known: bool = True,
) -> Outcome:
    """Return that a message is requeued the first time, rejected the second, and log which.

    Both are basic.reject, which counts towards a quorum queue's delivery limit.
    ``is_queue_known`` is whether ``dead_letter_exchange`` is what the queue was declared with.
    """
    message = delivery.message
    outcome = Outcome.REJECT if delivery.redelivered else Outcome.REQUEUE
    if outcome is Outcome.REQUEUE:
        consequence = "requeued, to be tried once more"
    elif not is_queue_known:
        consequence = "rejected: dead-lettered if its queue says where, else discarded"
    elif dead_letter_exchange is None:
        consequence = "discarded"
    else:
        consequence = await _fate(channel, message, dead_letter_exchange)
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


async def _fate(channel: TransportChannel, message: Message, exchange_name: str) -> str:
    """Return what the broker does with a dead letter for this exchange."""
    try:
        if not await channel.has_exchange(exchange_name):
            return (
                f"dropped, since its dead-letter exchange {exchange_name!r} does not exist; "
                "declare it again"
            )
        # The default exchange sends a message to the queue that its routing key names.
        if not exchange_name and await channel.count_ready(message.routing_key) is None:
            return (
                "dropped, since its dead-letter exchange is the default one, and no queue is "
                f"called {message.routing_key!r}"
            )
    except Lost:
        pass  # the broker requeues the message, and it comes again
    return f"dead-lettered to exchange {exchange_name!r}"
