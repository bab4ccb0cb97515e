"""Dispatch of the broker's effects to its connections and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mooq.broker.effects import Delivered, Returned

if TYPE_CHECKING:
    from mooq.broker.broker import Broker


def dispatch_effects(broker: Broker) -> None:
    """Pass each effect in the outbox, in order, to the handler of its channel or connection.

    A handler may cause further effects; they are dispatched last.
    """
    outbox = broker.outbox
    while outbox:
        effect = outbox.popleft()
        if type(effect) is Delivered:  # nearly always
            effect_handler = effect.channel.effect_handler
        else:
            other: Any = effect
            effect_handler = (
                other.connection if effect.is_of_connection else other.channel
            ).effect_handler
        if effect_handler is not None:
            effect_handler.handle(effect)


def dispatch_returns(broker: Broker) -> None:
    """Dispatch the returned messages that are first in the outbox."""
    outbox = broker.outbox
    while outbox and isinstance(effect := outbox[0], Returned):
        outbox.popleft()
        effect_handler = effect.channel.effect_handler
        if effect_handler is not None:
            effect_handler.handle(effect)
