"""Dead letters: their order, their headers, and the detection of cycles."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mooq.broker.message import HAS_EXPIRATION, Message, Properties
from mooq.broker.routing import known_keys
from mooq.broker.values import Long, Table, Timestamp

if TYPE_CHECKING:
    from mooq.broker.queue import Queue
    from mooq.broker.ready import QueuedMessage
    from mooq.broker.versions import Version
    from mooq.broker.virtual_host import VirtualHost

REJECTED, EXPIRED, MAXLEN, DELIVERY_LIMIT = "rejected", "expired", "maxlen", "delivery_limit"


class DeadLetter(Message):
    """A dead letter of a version that records deaths itself; ``deaths`` are those in x-death."""

    __slots__ = ("deaths",)

    def __init__(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        properties: Properties,
        routing_keys: tuple[str, ...] | None,
        delivery_count: int,
        *,
        deaths: list[Table],
    ) -> None:
        super().__init__(body, exchange, routing_key, properties, routing_keys, delivery_count)
        self.deaths: list[Table] = deaths


class DeadLetters:
    """The dead letters of a virtual host. They are published one by one, without recursion."""

    def __init__(self, host: VirtualHost) -> None:
        self._host = host
        self._waiting: deque[tuple[QueuedMessage, Queue, str]] = deque()
        self._is_delayed = False

    def add(self, queued: QueuedMessage, queue: Queue, reason: str) -> None:
        """Publish a message as a dead letter, if its queue has a dead-letter exchange."""
        if queue.dead_letter_exchange is not None:
            self._waiting.append((queued, queue, reason))
            if not self._is_delayed:
                self._publish_all()

    def publish_before(self, message: Message, queues: list[Queue]) -> bool:
        """Add a message to queues before the dead letters that it causes.

        Returns whether all queues took it.
        """
        is_taken = self._is_delayed = True
        try:
            for queue in queues:
                if not queue.publish(message):
                    is_taken = False
        finally:
            self._is_delayed = False
        if self._waiting:
            self._publish_all()
        return is_taken

    def _publish_all(self) -> None:
        self._is_delayed = True
        try:
            while self._waiting:
                self._publish(*self._waiting.popleft())
        finally:
            self._is_delayed = False

    def _publish(self, queued: QueuedMessage, queue: Queue, reason: str) -> None:
        broker = self._host.broker
        version = broker.version_rules
        letter = dead_letter(
            queued.message,
            queue,
            reason,
            queued.delivery_count or queued.message.delivery_count,
            broker.time_of_day(),
            version,
        )
        if letter.exchange and letter.exchange not in self._host.exchanges:
            return
        targets = without_cycles(letter, self._host.route(letter))
        is_flagged = queued.redelivered and version.dead_letters_are_redelivered
        for target in targets:
            target.publish(letter, is_flagged)


def dead_letter(
    message: Message,
    queue: Queue,
    reason: str,
    delivery_count: int,
    time_of_day: int,
    version: Version,
) -> Message:
    """Return the dead letter to publish for a message of a queue.

    Its exchange and routing key are those of the queue's dead-letter arguments. Its header x-death
    has an entry for each queue and reason. Only RabbitMQ 3.10 uses entries that a client published.
    ``delivery_count`` is the number of its failed deliveries from quorum queues.
    """
    headers: Table = dict(message.properties.headers or {})
    entry = _entry(message, queue, reason, time_of_day, version)
    key, keys = queue.dead_letter_key, None
    if key is None:
        key, keys = message.routing_key, message.routing_keys
    elif not version.keeps_deaths:
        headers.pop("CC", None)
    if version.keeps_deaths:
        is_first = not isinstance(message, DeadLetter)
        deaths = _with_death(entry, message.deaths if isinstance(message, DeadLetter) else [])
    else:
        is_first = "x-death" not in headers
        deaths = _with_published(entry, headers.get("x-death"))
    headers["x-death"] = deaths
    last = {"exchange": message.exchange, "queue": queue.name, "reason": reason}
    for field, value in last.items():
        if is_first:
            headers[f"x-first-death-{field}"] = value
        if version.keeps_deaths:
            headers[f"x-last-death-{field}"] = value
    headers = dict(sorted(headers.items()))
    properties = message.properties.replace(headers=headers, expiration=None)
    exchange = queue.dead_letter_exchange or ""
    if not version.keeps_deaths:
        return Message(message.body, exchange, key, properties, keys)
    return DeadLetter(message.body, exchange, key, properties, keys, delivery_count, deaths=deaths)


def _entry(
    message: Message, queue: Queue, reason: str, time_of_day: int, version: Version
) -> Table:
    entry: dict[str, Any] = {
        "count": Long(1),
        "reason": reason,
        "queue": queue.name,
        "time": Timestamp(time_of_day),
        "exchange": message.exchange,
        "routing-keys": known_keys(message),
    }
    if message.properties.flags & HAS_EXPIRATION:
        expiration = {"original-expiration": message.properties.expiration}
        return expiration | entry if version.keeps_deaths else entry | expiration
    return entry


def _with_death(entry: Table, deaths: list[Table]) -> list[Table]:
    """Return deaths with another one in front; a repeated death increments its count."""
    others = []
    for death in deaths:
        if _queue_and_reason(death) == _queue_and_reason(entry):
            entry = _counted(death)
        else:
            others.append(death)
    return [entry, *others]


def _with_published(entry: Table, published: Any) -> list[Table]:
    """Return a published x-death header with another death, as RabbitMQ 3.10 does.

    It merges entries of the same queue and reason, the last first, and sorts the changed entry.
    """
    if not isinstance(published, list | tuple):
        return [entry]
    deaths = [one for one in published if isinstance(one, dict)]
    if len(deaths) > 1:
        groups: dict[str, list[Table]] = {}
        for death in deaths:
            groups.setdefault(_queue_and_reason(death), []).append(death)
        deaths = [{"count": Long(len(group)), **group[0]} for group in reversed(groups.values())]
    changed, *others = _with_death(entry, deaths)
    return [dict(sorted(changed.items())), *others]


def _queue_and_reason(death: Table) -> str:
    return repr((death.get("queue"), death.get("reason")))


def _counted(death: Table) -> Table:
    count = death.get("count")
    known = int(count) if isinstance(count, int) else 0
    return {**death, "count": Long(known + 1)}


def without_cycles(message: Message, queues: Iterable[Queue]) -> list[Queue]:
    """Return the queues that a dead letter may be routed to.

    RabbitMQ does not route it to a queue where it died before, unless it was rejected since then.
    """
    deaths = (message.properties.headers or {}).get("x-death", ())
    return [queue for queue in queues if not _is_cycle(queue, deaths)]


def _is_cycle(queue: Queue, deaths: Iterable[Table]) -> bool:
    for death in deaths:
        if death.get("reason") == REJECTED:
            return False
        if death.get("queue") == queue.name:
            return True
    return False
