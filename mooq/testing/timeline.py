"""A test's records as a table for the terminal and as a drawing for a browser."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from mooq.testing.recorder import Event, Record, Records

MOST_ROWS = 200
LONGEST_MESSAGE = 48  # characters of a message

LANE = 190  # pixels between two lanes of the drawing
ROW = 26
MARGIN = 90
HEAD = 46
COLOURS = {
    Event.PUBLISHED: "#2563eb",
    Event.DELIVERED: "#0891b2",
    Event.ACKNOWLEDGED: "#16a34a",
    Event.REQUEUED: "#d97706",
    Event.GIVEN_BACK: "#d97706",
    Event.REJECTED: "#dc2626",
    Event.UNROUTABLE: "#dc2626",
    Event.EXPIRED: "#dc2626",
    Event.DEAD_LETTERED: "#dc2626",
}
BACK = (Event.ACKNOWLEDGED, Event.REQUEUED, Event.GIVEN_BACK, Event.REJECTED)
"""The events in which a consumer answers a queue."""
KINDS = ("publisher", "exchange", "queue", "consumer")
"""The lanes, from left to right."""


class Row(NamedTuple):
    """One displayed record."""

    event: Event
    milliseconds: float
    source: str
    target: str
    number: int
    """The number of the message, the same in every row about it."""
    message: str
    whole: str


def rows_of(records: Records) -> list[Row]:
    """Return the rows for records, in order."""
    numbers: dict[object, int] = {}
    consumers: dict[object, str] = {}
    began = records[0].at if records else 0.0
    rows = []
    for record in records:
        message = record.message
        key = (message.message_id, message.body)
        number = numbers.setdefault(key, len(numbers) + 1)
        source, target = _ends(record, consumers)
        whole = repr(record.msg)
        shown = whole if len(whole) <= LONGEST_MESSAGE else f"{whole[:LONGEST_MESSAGE]}…"
        milliseconds = (record.at - began) * 1e3
        rows.append(Row(record.event, milliseconds, source, target, number, shown, whole))
    return rows


def _ends(record: Record, consumers: dict[object, str]) -> tuple[str, str]:
    """Return where a record's message came from and went to."""
    exchange = f"exchange {record.exchange_name!r}"
    if record.event is Event.PUBLISHED:
        return f"publisher {record.channel}", exchange
    if record.event is Event.UNROUTABLE:
        return exchange, "queue that is missing"
    queue = f"queue {record.queue_name!r}"
    delivery = record.queue_name, id(record.message)
    if record.event is Event.DELIVERED:
        consumer = "get" if record.consumer is None else str(record.consumer)
        consumers[delivery] = f"consumer {consumer} of {record.queue_name!r}"
        return queue, consumers[delivery]
    if record.event in BACK:
        return consumers.get(delivery, f"consumer of {record.queue_name!r}"), queue
    return queue, f"{exchange}"


def as_text(records: Records) -> str:
    """Return a table of what happened, in order."""
    left_out = max(0, len(records) - MOST_ROWS)
    lines = [f"… {left_out} earlier"] if left_out else []
    rows = rows_of(records)[left_out:]
    routes = [f"{row.source} → {row.target}" for row in rows]
    width = max(map(len, routes), default=0)
    for row, route in zip(rows, routes, strict=True):
        lines.append(
            f"{row.milliseconds:9.1f} ms  {row.event.value:<13}  {route:<{width}}  "
            f"#{row.number} {row.message}"
        )
    return "\n".join(lines) or "nothing happened"


def as_html(records: Records, title: str) -> str:
    """Return a page with a drawing: a lane for each publisher, exchange, queue and consumer."""
    rows = rows_of(records)
    lanes = _lanes(rows)
    width = 2 * MARGIN + LANE * max(len(lanes) - 1, 1) + 260
    height = HEAD + ROW * (len(rows) + 1)
    drawn = [_head(name, x, height) for name, x in lanes.items()]
    drawn += [_arrow(row, index, lanes) for index, row in enumerate(rows)]
    return (
        "<!doctype html><meta charset='utf-8'>"
        f"<title>{escape(title)}</title>"
        "<style>body{font:13px system-ui,sans-serif;margin:1em}svg text{font:12px system-ui,"
        "sans-serif}.head{font-weight:600}.time{fill:#6b7280}</style>"
        f"<h1 style='font-size:16px'>{escape(title)}</h1>"
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' role='img'>"
        f"{''.join(drawn)}</svg>\n"
    )


def _lanes(rows: Iterable[Row]) -> dict[str, int]:
    """Return the place of each lane, in pixels from the left."""
    names = list(dict.fromkeys(end for row in rows for end in (row.source, row.target)))
    names.sort(key=lambda name: KINDS.index(name.partition(" ")[0]))
    return {name: MARGIN + 60 + LANE * index for index, name in enumerate(names)}


def _head(name: str, x: int, height: int) -> str:
    return (
        f"<text class='head' x='{x}' y='18' text-anchor='middle'>{escape(name)}</text>"
        f"<line x1='{x}' x2='{x}' y1='26' y2='{height}' stroke='#d1d5db'/>"
    )


def _arrow(row: Row, index: int, lanes: dict[str, int]) -> str:
    y = HEAD + ROW * index
    begin, end = lanes[row.source], lanes[row.target]
    tip = 7 if end < begin else -7
    colour = COLOURS[row.event]
    text = f"{row.event.value} #{row.number} {row.message}"
    return (
        f"<g><title>{escape(row.whole)}</title>"
        f"<text class='time' x='4' y='{y + 4}'>{row.milliseconds:.1f} ms</text>"
        f"<line x1='{begin}' y1='{y}' x2='{end}' y2='{y}' stroke='{colour}' stroke-width='1.5'/>"
        f"<path d='M{end},{y} l{tip},-4 v8 z' fill='{colour}'/>"
        f"<text x='{max(begin, end) + 8}' y='{y + 4}' fill='{colour}'>{escape(text)}</text></g>"
    )
