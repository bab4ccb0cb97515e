"""Direct reply-to: replies to a channel without a queue, through amq.rabbitmq.reply-to."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING

from mooq.broker import refusals
from mooq.broker.message import Message

if TYPE_CHECKING:
    from mooq.broker.channel import Channel

NAME = "amq.rabbitmq.reply-to"
_RANDOM = 32  # bytes after the dot of a generated name
_LENGTH = len(f"{NAME}.{token_urlsafe(_RANDOM)}")


class DirectReplies:
    """The channels that consume replies, by their reply names."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}

    def begin(self, channel: Channel) -> str:
        """Start consuming replies on a channel; return its reply name."""
        name = f"{NAME}.{token_urlsafe(_RANDOM)}"
        self._channels[name] = channel
        return name

    def end(self, name: str) -> None:
        """Stop consuming replies to a name."""
        self._channels.pop(name, None)

    def knows(self, name: str) -> bool:
        """Return whether a name is that of a reply consumer, or amq.rabbitmq.reply-to."""
        return name == NAME or name in self._channels

    def publish(self, message: Message) -> bool:
        """Deliver a message to the reply consumers of its keys; return whether it has reply keys.

        Replies to a cancelled consumer are dropped.
        """
        keys = sorted(set(message.routing_keys or (message.routing_key,)))
        for key in keys:
            channel = self._channels.get(key)
            if channel is not None:
                channel.deliver_reply(message)
        return any(map(_is_generated, keys))


def is_name(queue_name: str) -> bool:
    """Return whether a queue name belongs to direct reply-to."""
    return queue_name.startswith(NAME)


def _is_generated(name: str) -> bool:
    """Return whether a name has the form of a generated reply name."""
    return name.startswith(f"{NAME}.") and len(name) == _LENGTH


def check_consumer(no_ack: bool, has_one: bool) -> None:
    """Raise a refusal for a second reply consumer, or for one with acknowledgements."""
    if not no_ack:
        raise refusals.failed("reply consumer cannot acknowledge")
    if has_one:
        raise refusals.failed("reply consumer already set")
