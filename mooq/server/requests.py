"""Methods from clients: the broker call for each, and the reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mooq.amqp import methods
from mooq.amqp.methods import Method, Values

if TYPE_CHECKING:
    from mooq.broker.channel import Channel

Answer = tuple[Method, Values] | None
"""The reply method and its values; None for no reply."""


def exchange_declare(
    channel: Channel,
    _ticket: int,
    exchange: str,
    type_: str,
    passive: bool,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    nowait: bool,
    arguments: dict[str, Any],
) -> Answer:
    """Declare an exchange."""
    channel.exchange_declare(
        exchange,
        type_,
        passive=passive,
        durable=durable,
        auto_delete=auto_delete,
        internal=internal,
        arguments=arguments,
    )
    return None if nowait else (methods.EXCHANGE_DECLARE_OK, ())


def exchange_delete(
    channel: Channel, _ticket: int, exchange: str, if_unused: bool, nowait: bool
) -> Answer:
    """Delete an exchange."""
    channel.exchange_delete(exchange, if_unused=if_unused)
    return None if nowait else (methods.EXCHANGE_DELETE_OK, ())


def exchange_bind(
    channel: Channel,
    _ticket: int,
    destination: str,
    source: str,
    routing_key: str,
    nowait: bool,
    arguments: dict[str, Any],
) -> Answer:
    """Bind an exchange to another one."""
    channel.exchange_bind(destination, source, routing_key, arguments)
    return None if nowait else (methods.EXCHANGE_BIND_OK, ())


def exchange_unbind(
    channel: Channel,
    _ticket: int,
    destination: str,
    source: str,
    routing_key: str,
    nowait: bool,
    arguments: dict[str, Any],
) -> Answer:
    """Remove a binding between exchanges."""
    channel.exchange_unbind(destination, source, routing_key, arguments)
    return None if nowait else (methods.EXCHANGE_UNBIND_OK, ())


def queue_declare(
    channel: Channel,
    _ticket: int,
    queue: str,
    passive: bool,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
    nowait: bool,
    arguments: dict[str, Any],
) -> Answer:
    """Declare a queue."""
    declared = channel.queue_declare(
        queue,
        passive=passive,
        durable=durable,
        exclusive=exclusive,
        auto_delete=auto_delete,
        arguments=arguments,
    )
    if nowait:
        return None
    counts = (declared.name, declared.message_count, declared.consumer_count)
    return methods.QUEUE_DECLARE_OK, counts


def queue_bind(
    channel: Channel,
    _ticket: int,
    queue: str,
    exchange: str,
    routing_key: str,
    nowait: bool,
    arguments: dict[str, Any],
) -> Answer:
    """Bind a queue."""
    channel.queue_bind(queue, exchange, routing_key, arguments)
    return None if nowait else (methods.QUEUE_BIND_OK, ())


def queue_unbind(
    channel: Channel,
    _ticket: int,
    queue: str,
    exchange: str,
    routing_key: str,
    arguments: dict[str, Any],
) -> Answer:
    """Remove a binding of a queue."""
    channel.queue_unbind(queue, exchange, routing_key, arguments)
    return methods.QUEUE_UNBIND_OK, ()


def queue_purge(channel: Channel, _ticket: int, queue: str, nowait: bool) -> Answer:
    """Empty a queue."""
    count = channel.queue_purge(queue)
    return None if nowait else (methods.QUEUE_PURGE_OK, (count,))


def queue_delete(
    channel: Channel, _ticket: int, queue: str, if_unused: bool, if_empty: bool, nowait: bool
) -> Answer:
    """Delete a queue."""
    count = channel.queue_delete(queue, if_unused=if_unused, if_empty=if_empty)
    return None if nowait else (methods.QUEUE_DELETE_OK, (count,))


def basic_qos(channel: Channel, prefetch_size: int, prefetch_count: int, is_global: bool) -> Answer:
    """Limit unacknowledged deliveries."""
    channel.basic_qos(prefetch_size, prefetch_count, is_global)
    return methods.BASIC_QOS_OK, ()


def basic_consume(
    channel: Channel,
    _ticket: int,
    queue: str,
    consumer_tag: str,
    no_local: bool,
    no_ack: bool,
    exclusive: bool,
    nowait: bool,
    arguments: dict[str, Any],
) -> Answer:
    """Register a consumer."""
    tag = channel.basic_consume(
        queue,
        consumer_tag,
        no_local=no_local,
        no_ack=no_ack,
        exclusive=exclusive,
        arguments=arguments,
    )
    return None if nowait else (methods.BASIC_CONSUME_OK, (tag,))


def basic_cancel(channel: Channel, consumer_tag: str, nowait: bool) -> Answer:
    """Cancel a consumer."""
    channel.basic_cancel(consumer_tag)
    return None if nowait else (methods.BASIC_CANCEL_OK, (consumer_tag,))


def basic_reject(channel: Channel, delivery_tag: int, requeue: bool) -> Answer:
    """Requeue a message, or dead-letter or drop it."""
    channel.basic_reject(delivery_tag, requeue)
    return None


def basic_nack(channel: Channel, delivery_tag: int, multiple: bool, requeue: bool) -> Answer:
    """Requeue messages, or dead-letter or drop them."""
    channel.basic_nack(delivery_tag, multiple, requeue)
    return None


def basic_ack(channel: Channel, delivery_tag: int, multiple: bool) -> Answer:
    """Acknowledge messages."""
    channel.basic_ack(delivery_tag, multiple)
    return None


def basic_recover(channel: Channel, requeue: bool) -> Answer:
    """Requeue all unacknowledged messages."""
    channel.basic_recover(requeue)
    return methods.BASIC_RECOVER_OK, ()


def basic_recover_async(channel: Channel, requeue: bool) -> Answer:
    """Requeue all unacknowledged messages, without a reply."""
    channel.basic_recover(requeue)
    return None


def confirm_select(channel: Channel, nowait: bool) -> Answer:
    """Turn publisher confirms on."""
    channel.confirm_select()
    return None if nowait else (methods.CONFIRM_SELECT_OK, ())


def tx_select(channel: Channel) -> Answer:
    """Begin a transaction."""
    channel.tx_select()
    return methods.TX_SELECT_OK, ()


def tx_commit(channel: Channel) -> Answer:
    """Commit the transaction."""
    channel.tx_commit()
    return methods.TX_COMMIT_OK, ()


def tx_rollback(channel: Channel) -> Answer:
    """Roll back the transaction."""
    channel.tx_rollback()
    return methods.TX_ROLLBACK_OK, ()


def channel_flow(channel: Channel, active: bool) -> Answer:
    """Resume deliveries; a request to pause them is refused, as RabbitMQ does."""
    channel.channel_flow(active)
    return methods.CHANNEL_FLOW_OK, (active,)


REQUESTS: dict[Method, Callable[..., Answer]] = {
    methods.EXCHANGE_DECLARE: exchange_declare,
    methods.EXCHANGE_DELETE: exchange_delete,
    methods.EXCHANGE_BIND: exchange_bind,
    methods.EXCHANGE_UNBIND: exchange_unbind,
    methods.QUEUE_DECLARE: queue_declare,
    methods.QUEUE_BIND: queue_bind,
    methods.QUEUE_UNBIND: queue_unbind,
    methods.QUEUE_PURGE: queue_purge,
    methods.QUEUE_DELETE: queue_delete,
    methods.BASIC_QOS: basic_qos,
    methods.BASIC_CONSUME: basic_consume,
    methods.BASIC_CANCEL: basic_cancel,
    methods.BASIC_ACK: basic_ack,
    methods.BASIC_REJECT: basic_reject,
    methods.BASIC_NACK: basic_nack,
    methods.BASIC_RECOVER: basic_recover,
    methods.BASIC_RECOVER_ASYNC: basic_recover_async,
    methods.CONFIRM_SELECT: confirm_select,
    methods.TX_SELECT: tx_select,
    methods.TX_COMMIT: tx_commit,
    methods.TX_ROLLBACK: tx_rollback,
    methods.CHANNEL_FLOW: channel_flow,
}
"""The handler of each method except basic.publish and basic.get, which carry a message."""
