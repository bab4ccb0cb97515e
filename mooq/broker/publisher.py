"""Publishing on a channel: checks, routing, returns and confirms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mooq.broker import refusals, reply_to
from mooq.broker.arguments import LONGEST_TIME
from mooq.broker.effects import Confirmed, Returned
from mooq.broker.erlang import character_list
from mooq.broker.message import (
    HAS_DELIVERY_MODE,
    HAS_EXPIRATION,
    HAS_HEADERS,
    HAS_REPLY_TO,
    HAS_USER_ID,
    Message,
    Properties,
)
from mooq.broker.permissions import WRITE
from mooq.broker.routing import with_copies, with_sorted_headers
from mooq.broker.transactions import Publish
from mooq.broker.versions import Version

if TYPE_CHECKING:
    from mooq.broker.channel import Channel
    from mooq.broker.queue import Queue

NO_ROUTE = 312
MODES = (None, 1, 2)
_INTEGER = re.compile(r"[+-]?[0-9]+")
SPECIAL = HAS_EXPIRATION | HAS_HEADERS | HAS_REPLY_TO | HAS_USER_ID
"""The flags of properties that the broker acts on."""


class Publisher:
    """Publishes the messages of a channel, and returns or confirms them."""

    def __init__(self, channel: Channel) -> None:
        self.confirms = False
        self._channel = channel
        self._connection = channel.connection
        self._broker = channel.connection.broker
        self._host = channel.connection.host
        self._outbox = channel.connection.broker.outbox
        self._exchanges = channel.connection.host.exchanges
        self._is_limited = channel.connection.permissions.are_limited
        self._checks_mode = self._broker.version_rules.checks_delivery_mode
        self._returns_replies = self._broker.version_rules.returns_replies
        self._special = SPECIAL | HAS_DELIVERY_MODE if self._checks_mode else SPECIAL
        self._published = 0

    def publish(
        self,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        immediate: bool,
        properties: Properties,
        body: bytes,
    ) -> None:
        """Publish a message. Returns and confirms are effects."""
        if immediate:
            raise refusals.not_implemented("immediate=true")
        if self._is_limited:
            self._connection.permissions.check(WRITE, "exchange", exchange)
        if exchange:
            found = self._exchanges.get(exchange)
            if found is None:
                raise refusals.no_exchange(exchange, self._host.name)
            if found.internal:
                raise refusals.internal_exchange(exchange, self._host.name)
        if len(body) > self._broker.max_message_size:
            raise refusals.message_too_large(len(body), self._broker.max_message_size)
        message = Message(body, exchange, routing_key, properties)
        if properties.flags & self._special:
            message = self._prepared(message)
        if not exchange and (
            message.routing_keys is not None or routing_key.startswith(reply_to.NAME)
        ):
            is_routed = self._host.replies.publish(message)
            mandatory = mandatory and (self._returns_replies or not is_routed)
        queues = self._host.route(message)
        if self._channel.transaction is not None:
            self._channel.transaction.publish(message, queues, mandatory)
        else:
            self.put(message, queues, mandatory)

    def _prepared(self, message: Message) -> Message:
        """Check and apply the properties that the broker acts on."""
        version = self._broker.version_rules
        properties = message.properties
        flags = properties.flags
        if flags & HAS_REPLY_TO and properties.reply_to == reply_to.NAME:
            if not self._channel.reply_name:
                raise refusals.failed("fast reply consumer does not exist")
            message = message.with_properties(reply_to=self._channel.reply_name)
        if not version.reads_copies_first:
            self._check_user(properties)
        if flags & HAS_EXPIRATION:
            milliseconds = _read_expiration(properties.expiration or "", version)
        message = with_copies(message)
        if version.sorts_headers:
            message = with_sorted_headers(message)
        properties = message.properties
        self._check_user(properties)
        if self._checks_mode and properties.delivery_mode not in MODES:
            raise refusals.unknown_delivery_mode(properties.delivery_mode)
        if (
            flags & HAS_EXPIRATION
            and version.rewrites_expiration
            and properties.expiration != str(milliseconds)
        ):
            message = message.with_properties(expiration=str(milliseconds))
        return message

    def _check_user(self, properties: Properties) -> None:
        if properties.flags & HAS_USER_ID and properties.user_id != self._connection.user:
            raise refusals.failed(
                f"user_id property set to '{properties.user_id}' but authenticated user was "
                f"'{self._connection.user}'"
            )

    def find_again(self, publish: Publish) -> Publish:
        """Return a publish of a transaction with the queues that get it at the commit.

        Raises a refusal if one is missing and the version refuses that.
        """
        message, queues, mandatory, _ = publish
        rule = self._broker.version_rules.finds_queues_again
        by_name = self._host.queues
        found: list[Queue] = []
        is_complete = True
        for queue in queues:
            current = by_name.get(queue.name)
            if current is None and rule == "or refuses":
                raise refusals.undeliverable(queue.name, self._host.name)
            if current is not queue and queue.is_classic and rule != "by name":
                is_complete = False
            elif current is not None:
                found.append(current)
        is_returned = mandatory and (not queues or rule == "by name")
        return Publish(message, found, is_returned, is_complete)

    def put(self, message: Message, queues: list[Queue], mandatory: bool) -> bool:
        """Add a message to its queues, and return or confirm it; return whether all took it."""
        if len(queues) == 1:
            is_taken = queues[0].publish(message)
        else:
            is_taken = self._host.dead_letters.publish_before(message, queues)
        if mandatory and not queues:
            self._outbox.append(Returned(self._channel, NO_ROUTE, "NO_ROUTE", message))
        if self.confirms:
            self._published += 1
            self._outbox.append(Confirmed(self._channel, self._published, False, is_taken))
        return is_taken


def _read_expiration(text: str, version: Version) -> int:
    """Return a message's time to live in milliseconds. Raise a refusal for an invalid one."""
    found = _INTEGER.match(text)
    if found is None:
        raise refusals.invalid_expiration(text, "no_integer")
    rest = text[found.end() :]
    if rest:
        shown = character_list(rest, has_unicode=version.marks_utf8)
        raise refusals.invalid_expiration(text, f"{{leftover_string,{shown}}}")
    number = int(found[0])
    if number < 0:
        raise refusals.invalid_expiration(text, f"{{value_negative,{number}}}")
    if number > LONGEST_TIME:
        raise refusals.invalid_expiration(text, f"{{value_too_large,{number}}}")
    return number
