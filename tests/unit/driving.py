"""Driving the broker in memory by hand: by its channels, and by a virtual host alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from mooq.broker.direct.broker import Broker, Channel, Connection
from mooq.broker.direct.queue import Queue
from mooq.broker.direct.virtual_host import VirtualHost
from mooq.errors import Refused
from mooq.transports.message import Delivery, Message, Outcome

OWNER, STRANGER = "the owner's connection", "another connection"
TAKER = "the channel that takes messages"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A time of day that advances by a second whenever it is asked."""

    def __init__(self) -> None:
        self.now = FIRST

    def __call__(self) -> datetime:
        now = self.now
        self.now += timedelta(seconds=1)
        return now


# Channels


class Log:
    """What consumers were told: ``m A`` for a delivery to A, ``m R A`` for a repeated one."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.held: list[Delivery] = []

    def consume(self, channel: Channel, queue: str, name: str, prefetch: int = 100) -> str:
        return channel.consume(
            queue, prefetch, partial(self._delivered, name), partial(self._cancelled, name)
        )

    def _delivered(self, name: str, delivery: Delivery) -> None:
        self.held.append(delivery)
        self.told.append(f"{spoken(delivery)} {name}")

    def _cancelled(self, name: str) -> None:
        self.told.append(f"cancelled {name}")


def spoken(delivery: Delivery) -> str:
    return delivery.message.body.decode() + " R" * delivery.redelivered


def connect(broker: Broker, virtual_host: str = "/") -> Connection:
    return broker.connect(virtual_host, "guest", "guest", lambda: None)


def send(channel: Channel, *bodies: str, queue: str = "q") -> None:
    for body in bodies:
        channel.publish(Message(body.encode(), "", queue), False)


def get(channel: Channel, queue: str = "q") -> Delivery:
    delivery = channel.get(queue)
    assert delivery is not None
    return delivery


def rest(channel: Channel, queue: str = "q") -> list[str]:
    """Take, and acknowledge, all that is ready."""
    taken = []
    while (delivery := channel.get(queue)) is not None:
        channel.settle(delivery.receipt, Outcome.ACKNOWLEDGE)
        taken.append(spoken(delivery))
    return taken


def exists(channel: Channel, queue: str) -> bool:
    try:
        channel.get(queue)
    except Refused as refused:
        if refused.code != Refused.NOT_FOUND:
            raise
        return False
    return True


# A virtual host alone, asked by ``OWNER`` or ``STRANGER``


def publish(host: VirtualHost, body: str, exchange: str = "d", key: str = "k", **more: Any) -> None:
    host.publish(Message(body.encode(), exchange, key, **more))


def take(queue: Queue) -> Delivery:
    delivery = queue.take(TAKER)
    assert delivery is not None
    return delivery


def bodies(queue: Queue) -> list[str]:
    """Take all that is ready."""
    return [take(queue).message.body.decode() for _ in range(len(queue))]


def locked(name: str) -> str:
    return (
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. "
        "It could be originally declared on another connection or the exclusive property value "
        "does not match that of the original declaration."
    )
