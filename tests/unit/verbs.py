"""Helpers that call the in-memory broker's channels and show its effects as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooq.broker import effects
from mooq.broker.broker import Broker, Connection
from mooq.broker.channel import Channel, GetOk
from mooq.broker.declarations import DeclareOk
from mooq.broker.message import Properties
from mooq.broker.refusals import Refusal

QUORUM = {"x-queue-type": "quorum"}
DEFAULT_FLAGS = {"passive": False, "durable": True, "exclusive": False, "auto_delete": False}


def new_broker(version: str = "4.0", **options: Any) -> Broker:
    return Broker({"guest": "guest", "ann": "secret"}, ["/", "tests"], version=version, **options)


def connect(broker: Broker, user: str = "guest", virtual_host: str = "/") -> Connection:
    return broker.open(user, virtual_host)


def channel_of(version: str = "4.0") -> Channel:
    return connect(new_broker(version)).channel(1)


def declare(
    channel: Channel, name: str = "q", arguments: dict[str, Any] | None = None, **flags: bool
) -> DeclareOk:
    return channel.queue_declare(name, **{**DEFAULT_FLAGS, **flags}, arguments=arguments or {})


def exchange(channel: Channel, name: str, kind: str = "direct", **flags: Any) -> None:
    options: dict[str, Any] = {**DEFAULT_FLAGS, "internal": False, "arguments": {}}
    del options["exclusive"]
    channel.exchange_declare(name, kind, **{**options, **flags})


def consume(
    channel: Channel,
    queue: str = "q",
    tag: str = "c",
    arguments: dict[str, Any] | None = None,
    **flags: bool,
) -> str:
    options = {"no_local": False, "no_ack": False, "exclusive": False} | flags
    return channel.basic_consume(queue, tag, **options, arguments=arguments or {})


def publish(
    channel: Channel,
    body: str = "m",
    key: str = "q",
    exchange: str = "",
    mandatory: bool = False,
    **properties: Any,
) -> None:
    channel.basic_publish(exchange, key, mandatory, False, Properties(**properties), body.encode())


def get(channel: Channel, queue: str = "q", no_ack: bool = False) -> GetOk:
    got = channel.basic_get(queue, no_ack)
    assert got is not None
    return got


def rest(channel: Channel, queue: str = "q") -> list[str]:
    """Get all ready messages; R marks redelivered ones."""
    taken = []
    while (got := channel.basic_get(queue, True)) is not None:
        taken.append(got.message.body.decode() + " R" * got.redelivered)
    return taken


def told(broker: Broker) -> list[str]:
    """Return the effects for clients since the last call."""
    lines = []
    while broker.outbox:
        effect: Any = broker.outbox.popleft()
        if isinstance(effect, effects.Delivered):
            line = f"{effect.consumer_tag}: {effect.message.body.decode()}"
            lines.append(line + " R" * effect.redelivered)
        elif isinstance(effect, effects.Confirmed):
            lines.append(f"{'ack' if effect.is_ack else 'nack'} {effect.delivery_tag}")
        elif isinstance(effect, effects.Returned):
            lines.append(f"returned {effect.code} {effect.text}: {effect.message.body.decode()}")
        elif isinstance(effect, effects.ConsumerCancelled):
            lines.append(f"cancelled {effect.consumer_tag}")
        elif isinstance(effect, effects.Blocked):
            lines.append(f"blocked: {effect.reason}")
        elif isinstance(effect, effects.Unblocked):
            lines.append("unblocked")
        else:
            lines.append(f"{type(effect).__name__}: {effect.refusal and effect.refusal.text}")
    return lines


def refused(act: Callable[[], object]) -> str:
    """Return the text of the refusal."""
    with pytest.raises(Refusal) as raised:
        act()
    return raised.value.text
