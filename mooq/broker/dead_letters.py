"""Dead letters: their headers, and the detection of cycles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mooq.broker.message import HAS_EXPIRATION, Message
from mooq.broker.values import Long, Table, Timestamp

if TYPE_CHECKING:
    from mooq.broker.queue import Queue
    from mooq.broker.versions import Version

REJECTED, EXPIRED, MAXLEN, DELIVERY_LIMIT = "rejected", "expired", "maxlen", "delivery_limit"


def dead_letter(
    message: Message,
    queue: Queue,
    reason: str,
    delivery_count: int,
    time_of_day: int,
    version: Version,
) -> Message:
    """Return the dead letter to publish for a message of a queue.

    ``delivery_count`` is the number of its failed deliveries from quorum queues.

    Its exchange and routing key are those of the queue's dead-letter arguments. Its header x-death
    has an entry for each queue and reason, the latest first.
    """
    headers: Table = dict(message.properties.headers or {})
    deaths = [one for one in headers.get("x-death", ()) if isinstance(one, dict)]
    current = _entry(message, queue, reason, time_of_day)
    for death in deaths:
        if death.get("queue") == queue.name and death.get("reason") == reason:
            deaths.remove(death)
            current = {**death, "count": Long(int(death.get("count", 0)) + 1)}
            break
    headers["x-death"] = [current, *deaths]
    last = {"exchange": message.exchange, "queue": queue.name, "reason": reason}
    for what, value in last.items():
        headers.setdefault(f"x-first-death-{what}", value)
    if version.has_last_death:
        for what, value in last.items():
            headers[f"x-last-death-{what}"] = value
    properties = message.properties.replace(headers=headers, expiration=None)
    key = queue.dead_letter_key
    if key is not None:
        keys: tuple[str, ...] | None = None
    else:
        key, keys = message.routing_key, message.routing_keys
    exchange = queue.dead_letter_exchange or ""
    count = delivery_count if version.keeps_delivery_count else 0
    return Message(message.body, exchange, key, properties, keys, count)


def _entry(message: Message, queue: Queue, reason: str, time_of_day: int) -> Table:
    entry: dict[str, Any] = {
        "count": Long(1),
        "reason": reason,
        "queue": queue.name,
        "time": Timestamp(time_of_day),
        "exchange": message.exchange,
        "routing-keys": list(message.routing_keys or (message.routing_key,)),
    }
    if message.properties.flags & HAS_EXPIRATION:
        entry["original-expiration"] = message.properties.expiration
    return entry


def without_cycles(message: Message, queues: Iterable[Queue], reason: str) -> list[Queue]:
    """Return the queues that a dead letter may be routed to.

    RabbitMQ drops it where it was dead-lettered before, unless a consumer rejected it since then.
    """
    deaths = (message.properties.headers or {}).get("x-death", ())
    return [queue for queue in queues if reason == REJECTED or not _is_cycle(queue, deaths)]


def _is_cycle(queue: Queue, deaths: Iterable[Table]) -> bool:
    for death in deaths:
        if death.get("reason") == REJECTED:
            return False
        if death.get("queue") == queue.name:
            return True
    return False
