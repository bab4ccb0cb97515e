"""Access to mooq's internals that a proof needs. No other module may reach in there.

Whether everything has happened that an operation causes cannot be asked in the API's terms, and
need not be by its users; a proof that waited for a time instead would prove less and take longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from mooq.client.channel import Channel
from mooq.client.connection import Connection
from mooq.client.consumer import Consumer
from mooq.client.subscription import Subscription
from mooq.errors import MooqError, Refused
from mooq.transports.memory import MemoryChannel, MemoryTransport
from mooq.transports.message import Delivery, Outcome

if TYPE_CHECKING:
    from mooq.transports.rabbit.channel import RabbitChannel
    from mooq.transports.rabbit.connection_pair import ConnectionPair
    from mooq.transports.rabbit.transport import RabbitTransport


def arrived(connection: Connection) -> list[tuple[Consumer, Delivery]]:
    """Return what has arrived, and waits for ``process_events()``, in order."""
    return list(connection._dispatcher._arrived)


def channels(connection: Connection) -> list[Channel]:
    """Return the open channels of a connection."""
    return [channel for channel in connection._channels if not channel.is_closed]


def is_closed(connection: Connection) -> bool:
    """Whether the connection was closed by its owner."""
    return connection._closed


def is_lost(connection: Connection) -> bool:
    """Whether the connection has noticed that it was lost."""
    return connection._is_lost()


async def recover(connection: Connection) -> None:
    """Return when a lost connection is back with its consumers."""
    await connection._recover()


def last_subscription(channel: Channel) -> Subscription:
    """Return the consumer that was registered last."""
    return channel._subscriptions[-1]


async def drop(connection: Connection) -> None:
    """End a connection as a network does, and return when the broker has noticed."""
    if isinstance(connection._transport, MemoryTransport):
        connection._transport.drop()
        return
    pair = _pair(connection)
    if not pair.is_lost:
        # What was sent goes first, so that no acknowledgement is lost with the connection.
        await pair.control(lambda amqp: amqp.exchange_declare("amq.direct", passive=True))
    for one in (pair._publishing, pair._consuming):
        # With a goodbye that only the broker sees, since its answer says that it is done.
        if one is not None:
            await one.close()


class Disturbed(MooqError):
    """Looking at a broker has changed what a program would come to; run it again."""


async def count(channel: Channel, queue_name: str) -> int | None:
    """Return how many messages wait in a queue, by its word; None without one.

    RabbitMQ's queues answer this before they look at what else they were sent. Raises
    :class:`~mooq.errors.Refused` for a queue that is exclusive to another connection.
    """
    return await channel._internal.count_ready(queue_name)


async def ready(channel: Channel, queue_name: str) -> int | None:
    """Return how many messages wait in a queue that has done all that it was told before.

    A queue of RabbitMQ's is a process that serves what it is sent in order, but counts and
    acknowledgements first (``prioritise_call`` and ``prioritise_cast`` in its
    rabbit_amqqueue_process.erl). So it is asked for something that has to wait its turn and
    changes nothing: a message, when it has none; to be deleted unless in use or not empty, when
    it has some. Raises as :func:`count` does, and :class:`Disturbed` when a message came between.
    """
    internal = channel._internal
    ready = await count(channel, queue_name)
    if isinstance(internal, MemoryChannel):
        return ready
    while ready == 0:
        found = await internal.get(queue_name)
        if found is None:
            return 0
        await internal.settle(found, Outcome.RELEASE)
        if not found.redelivered:  # and now it is
            raise Disturbed(f"a message was still on its way to queue {queue_name!r}")
        ready = await count(channel, queue_name)
    if ready is not None:
        await _refuse_to_delete(channel, queue_name)
        ready = await count(channel, queue_name)
    return ready


async def _refuse_to_delete(channel: Channel, queue_name: str) -> None:
    """Return when a RabbitMQ has refused to delete a queue, as it must: it is not empty."""
    try:
        await _pair_of(channel).control(
            lambda amqp: amqp.queue_delete(queue_name, if_unused=True, if_empty=True)
        )
    except Refused as refused:
        if refused.code != Refused.PRECONDITION_FAILED:
            raise
        return
    raise RuntimeError(f"queue {queue_name!r} was deleted, though it was not empty")


async def delete(channel: Channel, queues: Iterable[str], exchanges: Iterable[str]) -> None:
    """Have a RabbitMQ delete queues and exchanges, without waiting for its answers."""

    async def ask(amqp: Any) -> None:
        for queue in queues:
            await amqp.queue_delete(queue, nowait=True)
        for exchange in exchanges:
            await amqp.exchange_delete(exchange, nowait=True)

    await _pair_of(channel).control(ask)


def version(connection: Connection) -> str:
    """Return the version that a RabbitMQ says it has."""
    consuming = _pair(connection)._consuming
    assert consuming is not None
    said = consuming.amqp.server_properties["version"]
    return said.decode() if isinstance(said, bytes) else str(said)


def _pair(connection: Connection) -> ConnectionPair:
    return cast("RabbitTransport", connection._transport)._pair


def _pair_of(channel: Channel) -> ConnectionPair:
    return cast("RabbitChannel", channel._internal)._pair
