"""A test's result as lines that must be equal on two brokers.

It leaves out what may differ: addresses, generated ids, timestamps within the test, the order that
RabbitMQ leaves open, and what the user masks. It also leaves out messages that arrived without
their callback starting: how many there are when a connection closes depends on timing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from mooq.client.codec import decode
from mooq.testing.recorder import Event
from mooq.transports.message import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mooq.parity.trace import Normalizer
    from mooq.testing.recorder import Record

Lines: TypeAlias = list[str]

GENERATED = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"  # a UUID
    r"|\b[0-9a-f]{20}-\d+\b"  # one of mooq's message ids
    r"|\b(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{16,}\b"  # such as uuid4().hex, token_hex()
    r"|\bamq\.gen-[\w-]{22}|\bamq\.ctag-[\w-]{22}"  # names that RabbitMQ generates
    r"|\bamq\.rabbitmq\.reply-to\.[\w.+/=-]+",
    re.IGNORECASE,
)
"""Ids that a program or a broker generates in each run."""
MASK = "…"


@dataclass
class Section:
    """Lines with a title, sorted if their order is left open."""

    title: str
    is_ordered: bool
    lines: Lines = field(default_factory=list)


def lines_of(
    ended: Lines,
    records: tuple[Record, ...],
    normalizer: Normalizer,
    masks: Iterable[re.Pattern[str]],
) -> Lines:
    """Return how a test ended and what happened in it, as far as the brokers must agree."""
    sections = [Section("", True, ended), *_sections(records, normalizer)]
    for section in sections:
        for mask in masks:
            section.title = mask.sub(MASK, section.title)
            section.lines = [mask.sub(MASK, line) for line in section.lines]
    return _numbered(sections)


def _sections(records: tuple[Record, ...], normalizer: Normalizer) -> list[Section]:
    fates: dict[object, deque[str]] = {}
    publishers: dict[str, int | None] = {}
    for record in records:
        if record.event in (Event.ACKNOWLEDGED, Event.REQUEUED, Event.REJECTED):
            fates.setdefault(_delivery_of(record), deque()).append(record.event.value)
        elif record.event is Event.PUBLISHED and record.message_id is not None:
            publishers[record.message_id] = record.channel
    now = _Now(records)
    published = Section("", False)
    given: defaultdict[str, list[tuple[int | None, int | None, str]]] = defaultdict(list)
    for record in records:
        text = now.removed(_text_of(record, normalizer), record.message.properties.timestamp)
        if record.event in (Event.PUBLISHED, Event.UNROUTABLE):
            published.lines.append(f"{record.event.value}: {text}")
        elif record.event is Event.DELIVERED and (fate := fates.get(_delivery_of(record))):
            publisher = publishers.get(record.message_id or "")
            line = f"{text}: {fate.popleft()}"
            given[record.queue_name or ""].append((record.consumer, publisher, line))
    of_queues = [
        section for queue, lines in given.items() for section in _sections_of_queue(queue, lines)
    ]
    return [published, *of_queues]


def _sections_of_queue(
    queue: str, lines: list[tuple[int | None, int | None, str]]
) -> list[Section]:
    """Return the deliveries to the consumers of a queue.

    The order of messages from one channel to one consumer is determined. Which of several consumers
    gets a message, and the order of different channels, are left open.
    """
    name = "a queue named by the broker" if queue.startswith("amq.gen-") else f"queue {queue!r}"
    consumers = {consumer for consumer, _, _ in lines}
    if len(consumers) > 1:
        title = f"{name}, {len(consumers)} consumers in any order"
        return [Section(title, False, [line for _, _, line in lines])]
    consumer = consumers.pop()
    title = f"{name}, {'got' if consumer is None else f'consumer {consumer}'}"
    by_channel: defaultdict[int | None, Lines] = defaultdict(list)
    for _, publisher, line in lines:
        by_channel[publisher].append(line)
    return [Section(title, True, of_channel) for of_channel in by_channel.values()]


def _numbered(sections: list[Section]) -> Lines:
    """Return all lines, with generated ids replaced by numbers.

    Ids in the same places of both runs get the same number, in whatever order they came.
    """
    places: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for section in sections:
        for index, line in enumerate([section.title, *section.lines]):
            where = index if section.is_ordered or index == 0 else -1
            masked = GENERATED.sub(MASK, line)
            for place, found in enumerate(GENERATED.findall(line)):
                masked_title = GENERATED.sub(MASK, section.title)
                places[found][f"{masked_title}\n{where}\n{masked}\n{place}"] += 1
    # Ids with equal places are numbered as they first came: those of one line stay together.
    ids = sorted(places, key=lambda found: sorted(places[found].items()))
    numbers = {found: f"<id {number}>" for number, found in enumerate(ids, 1)}

    def numbered(line: str) -> str:
        return GENERATED.sub(lambda match: numbers[match[0]], line)

    blocks = []
    for section in sections:
        lines = [numbered(line) for line in section.lines]
        if not section.is_ordered:
            lines.sort()
        blocks.append([numbered(section.title), *lines] if section.title else lines)
    ended, published, *of_queues = blocks
    return [line for block in [ended, published, *sorted(of_queues)] for line in block]


class _Now:
    """The time in which a test ran, to recognise timestamps that clients add in each run."""

    def __init__(self, records: tuple[Record, ...]) -> None:
        self._end = datetime.now(UTC)
        duration = monotonic() - records[0].at if records else 0.0
        # A timestamp is in whole seconds, and older than the record of its message.
        self._begin = self._end - timedelta(seconds=duration + 2)

    def removed(self, text: str, timestamp: datetime | None) -> str:
        """Return the text of a message, without a timestamp that is within this time."""
        if timestamp is None or not self._begin <= timestamp <= self._end:
            return text
        return text.replace(repr(timestamp), "now")


def _text_of(record: Record, normalizer: Normalizer) -> str:
    delivery = Delivery(record.message, record.redelivered, None)
    return normalizer.of_message(decode(delivery, undecodable_as_bytes=True))


def _delivery_of(record: Record) -> tuple[str | None, int, bool]:
    return record.queue_name, id(record.message), record.redelivered
