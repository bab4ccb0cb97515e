"""Access to mooq's internals, for parity tests only.

The public API cannot tell when all effects of an operation have happened, and users do not need
it. Waiting for a fixed time instead would be slower and less reliable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from mooq.amqp.versions import VERSIONS
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

OWN_COPYRIGHTS = {one.server_properties("")["copyright"] for one in VERSIONS.values()}
"""The server property in which the in-memory broker says that it is not RabbitMQ."""


def arrived(connection: Connection) -> list[tuple[Consumer, Delivery]]:
    """Return the deliveries that wait for ``process_events()``, in order."""
    return list(connection._dispatcher._arrived)


def channels(connection: Connection) -> list[Channel]:
    """Return the open channels of a connection."""
    return [channel for channel in connection._channels if not channel.is_closed]


def is_closed(connection: Connection) -> bool:
    """Return whether the connection was closed by its owner."""
    return connection._closed


def is_lost(connection: Connection) -> bool:
    """Return whether the connection has noticed that it was lost."""
    return connection._is_lost()


async def recover(connection: Connection) -> None:
    """Return when a lost connection is back with its consumers."""
    await connection._recover()


def last_subscription(channel: Channel) -> Subscription:
    """Return the consumer that was registered last."""
    return channel._subscriptions[-1]


async def drop(connection: Connection) -> None:
    """Drop a connection, like a network failure, and return when the broker has noticed."""
    if isinstance(connection._transport, MemoryTransport):
        connection._transport.drop()
        return
    pair = _pair(connection)
    if not pair.is_lost:
        # Wait for the broker, so that no sent acknowledgement is lost with the connection.
        await pair.control(lambda amqp: amqp.exchange_declare("amq.direct", passive=True))
    for one in (pair._publishing, pair._consuming):
        # Closed properly, because the broker's close-ok tells that it has noticed.
        if one is not None:
            await one.close()


class Disturbed(MooqError):
    """Inspecting a queue has changed the result of a program, which must run again."""


async def count(channel: Channel, queue_name: str) -> int | None:
    """Return the number of ready messages that a queue reports; None if it does not exist.

    RabbitMQ's queues answer this before they handle other requests. Raises
    :class:`~mooq.errors.Refused` for a queue that is exclusive to another connection.
    """
    return await channel._internal.count_ready(queue_name)


async def ready(channel: Channel, queue_name: str) -> int | None:
    """Return the number of ready messages once a queue has handled all earlier requests.

    A queue of RabbitMQ is a process that handles requests in order, except counts and
    acknowledgements, which come first (``prioritise_call`` and ``prioritise_cast`` in
    rabbit_amqqueue_process.erl). So this sends a request that is handled in order and changes
    nothing: basic.get to an empty queue, or a conditional delete to a non-empty one. Raises the
    errors of :func:`count`, and :class:`Disturbed` if a message arrived in between.
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
        if not found.redelivered:  # but it is from now on
            raise Disturbed(f"a message was still in transit to queue {queue_name!r}")
        ready = await count(channel, queue_name)
    if ready is not None:
        await _refuse_to_delete(channel, queue_name)
        ready = await count(channel, queue_name)
    return ready


async def _refuse_to_delete(channel: Channel, queue_name: str) -> None:
    """Return when RabbitMQ has refused to delete a queue, which is not empty."""
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
    """Tell RabbitMQ to delete queues and exchanges, without waiting for replies."""

    async def ask(amqp: Any) -> None:
        for queue in queues:
            await amqp.queue_delete(queue, nowait=True)
        for exchange in exchanges:
            await amqp.exchange_delete(exchange, nowait=True)

    await _pair_of(channel).control(ask)


def version(connection: Connection) -> str:
    """Return the version that RabbitMQ reports."""
    return _server_property(connection, "version")


def is_mooq(connection: Connection) -> bool:
    """Return whether a connection's broker is mooq's in-memory broker, served over AMQP."""
    return _server_property(connection, "copyright") in OWN_COPYRIGHTS


def _server_property(connection: Connection, name: str) -> str:
    """Return what the broker says of itself; empty if it does not say it."""
    consuming = _pair(connection)._consuming
    assert consuming is not None
    said = consuming.amqp.server_properties.get(name, "")
    return said.decode() if isinstance(said, bytes) else str(said)


def _pair(connection: Connection) -> ConnectionPair:
    return cast("RabbitTransport", connection._transport)._pair


def _pair_of(channel: Channel) -> ConnectionPair:
    return cast("RabbitChannel", channel._internal)._pair
