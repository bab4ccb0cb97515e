"""Steps of the conversations about rules."""

from __future__ import annotations

from typing import Any

from pamqp import frame, header
from pamqp.body import ContentBody
from pamqp.commands import Basic, Queue

PAUSE = "pause"
"""A step that only waits."""
REPLY = "reply"
"""A step that replies to the last ``reply_to`` received."""


def publish(
    exchange: str,
    key: str,
    body: bytes = b"m",
    mand: bool = False,
    imm: bool = False,
    mode: int | None = None,
    **values: Any,
) -> bytes:
    properties = Basic.Properties(**values)
    if mode is not None:
        properties.delivery_mode = mode  # set here, since pamqp's constructor checks it
    parts = (
        Basic.Publish(exchange=exchange, routing_key=key, mandatory=mand, immediate=imm),
        header.ContentHeader(0, len(body), properties),
        ContentBody(body),
    )
    return b"".join(frame.marshal(part, 1) for part in parts)


def consume(tag: str, **values: Any) -> Basic.Consume:
    return Basic.Consume(queue="w", consumer_tag=tag, **values)


def declare(**values: Any) -> Queue.Declare:
    return Queue.Declare(queue="w", **values)
