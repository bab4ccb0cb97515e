"""Direct reply-to: replies to a channel without a queue, by the name amq.rabbitmq.reply-to."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import TYPE_CHECKING

from mooq.broker import refusals
from mooq.broker.message import Message

if TYPE_CHECKING:
    from mooq.broker.channel import Channel

NAME = "amq.rabbitmq.reply-to"
_RANDOM = 32  # bytes behind the dot of a name that is given
_GIVEN = len(f"{NAME}.{token_urlsafe(_RANDOM)}")


class DirectReplies:
    """The channels of a virtual host that consume replies, by the names replies are sent to."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}

    def begin(self, channel: Channel) -> str:
        """Let a channel consume replies; return the name that stands for it."""
        name = f"{NAME}.{token_urlsafe(_RANDOM)}"
        self._channels[name] = channel
        return name

    def end(self, name: str) -> None:
        """End that."""
        self._channels.pop(name, None)

    def knows(self, name: str) -> bool:
        """Return whether replies can be sent to a name, or the general one is meant."""
        return name == NAME or name in self._channels

    def publish(self, message: Message) -> bool:
        """Send a message to the consumers of replies among its keys; return if it has such keys.

        A consumer that has ended is left out.
        """
        keys = sorted(set(message.routing_keys or (message.routing_key,)))
        for key in keys:
            channel = self._channels.get(key)
            if channel is not None:
                channel.deliver_reply(message)
        return any(map(_is_given, keys))


def is_name(queue_name: str) -> bool:
    """Return whether a queue's name is one of direct reply-to."""
    return queue_name.startswith(NAME)


def _is_given(name: str) -> bool:
    """Return whether a name is like those that channels are given."""
    return name.startswith(f"{NAME}.") and len(name) == _GIVEN


def check_consumer(no_ack: bool, has_one: bool) -> None:
    """Raise the refusal of a consumer of replies that cannot be."""
    if has_one:
        raise refusals.failed("reply consumer already set")
    if not no_ack:
        raise refusals.failed("reply consumer cannot acknowledge")
