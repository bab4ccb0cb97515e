"""Conditions for consuming and getting from a queue, and for its deletion."""

from __future__ import annotations

from mooq.broker import refusals
from mooq.broker.queue import Queue
from mooq.broker.versions import Version


def check_deletion(queue: Queue, virtual_host: str, *, if_unused: bool, if_empty: bool) -> None:
    """Raise a refusal for the deletion of a queue that is in use or not empty.

    Quorum queues support neither condition.
    """
    flag = "if-unused" if if_unused else "if-empty"
    if not queue.is_classic and (if_unused or if_empty):
        raise refusals.condition_not_implemented(flag, queue.name, virtual_host)
    if if_unused and len(queue.consumers):
        raise refusals.in_use("queue", queue.name, virtual_host)
    if if_empty and len(queue):
        raise refusals.not_empty(queue.name, virtual_host)


def check_get(queue: Queue, virtual_host: str, version: Version) -> None:
    """Raise a refusal for a get from a quorum queue with a single active consumer."""
    if not queue.is_classic and queue.consumers.is_single_active:
        quoted = version.quotes_queue_type
        shown = f'<<"{queue.type}">>' if quoted else queue.type
        raise refusals.no_get_beside_single_active(queue.name, virtual_host, shown)


def check_consumer(queue: Queue, virtual_host: str, *, exclusive: bool, has_limit: bool) -> None:
    """Raise a refusal for a consumer that the queue does not accept.

    ``has_limit`` is whether its channel has a global prefetch count, which quorum queues refuse.
    They ignore ``exclusive``.
    """
    if queue.is_classic:
        if queue.consumers.refuses(exclusive):
            raise refusals.exclusive_use(queue.name, virtual_host)
    elif has_limit:
        raise refusals.no_global_prefetch(queue.name, virtual_host)
