"""The way of the broker's effects to those whom they concern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mooq.broker.effects import Delivered

if TYPE_CHECKING:
    from mooq.broker.broker import Broker


def hand_on(broker: Broker) -> None:
    """Hand every effect in the outbox, in order, to the door of its channel or connection.

    A door's ``take`` may cause further effects: they come after those that wait.
    """
    outbox = broker.outbox
    while outbox:
        effect = outbox.popleft()
        if type(effect) is Delivered:  # nearly always
            door = effect.channel.door
        else:
            other: Any = effect
            door = (other.connection if effect.is_of_connection else other.channel).door
        if door is not None:
            door.take(effect)
