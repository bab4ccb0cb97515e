"""Helpers that call the in-memory broker through its channels."""

from __future__ import annotations

from functools import partial

from mooq.broker.broker import Broker as Rules
from mooq.errors import Refused
from mooq.transports.direct import DirectBroker, DirectChannel, DirectConnection
from mooq.transports.message import Delivery, Message, Outcome
from mooq.transports.timer import Timer


def new_broker() -> DirectBroker:
    """Return a broker with two users and two virtual hosts."""
    users = {"guest": "guest", "ann": "secret"}
    return DirectBroker(Rules(users, ["/", "tests"], version="4.0", clock=Timer.clock))


# Channels


class Log:
    """Record consumer events: ``m A`` for a delivery to A, ``m R A`` for a redelivery."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.held: list[Delivery] = []

    def consume(self, channel: DirectChannel, queue: str, name: str, prefetch: int = 100) -> str:
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


def connect(broker: DirectBroker, virtual_host: str = "/") -> DirectConnection:
    return broker.connect(virtual_host, "guest", "guest", lambda: None)


def send(channel: DirectChannel, *bodies: str, queue: str = "q") -> None:
    for body in bodies:
        channel.publish(Message(body.encode(), "", queue), False)


def get(channel: DirectChannel, queue: str = "q") -> Delivery:
    delivery = channel.get(queue)
    assert delivery is not None
    return delivery


def rest(channel: DirectChannel, queue: str = "q") -> list[str]:
    """Get and acknowledge all ready messages."""
    taken = []
    while (delivery := channel.get(queue)) is not None:
        channel.settle(delivery.receipt, Outcome.ACKNOWLEDGE)
        taken.append(spoken(delivery))
    return taken


def exists(channel: DirectChannel, queue: str) -> bool:
    try:
        channel.get(queue)
    except Refused as refused:
        if refused.code != Refused.NOT_FOUND:
            raise
        return False
    return True


def locked(name: str) -> str:
    return (
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. "
        "It could be originally declared on another connection or the exclusive property value "
        "does not match that of the original declaration."
    )
