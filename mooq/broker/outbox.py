"""The way of the broker's effects to those whom they concern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mooq.broker.broker import Broker


def hand_on(broker: Broker) -> None:
    """Hand every effect in the outbox, in order, to the door of its channel or connection.

    A door's ``take`` may cause further effects: they come after those that wait.
    """
    outbox = broker.outbox
    while outbox:
        effect = outbox.popleft()
        owner: Any = effect
        owner = owner.connection if effect.is_of_connection else owner.channel
        if owner.door is not None:
            owner.door.take(effect)
