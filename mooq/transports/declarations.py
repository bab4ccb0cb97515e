"""Declarations of exchanges and queues: their defaults, and all checks of their names.

The limits satisfy both RabbitMQ and its Python client, so that a name means the same on every
broker: ASCII, at most 127 bytes for an exchange and 255 for a queue or a routing key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mooq.basics.utf8 import utf8
from mooq.errors import BadExchange, BadQueue

EXCHANGE_TYPES = ("direct", "fanout", "topic", "headers")
QUEUE_TYPES = ("classic", "quorum", "stream")
DEAD_LETTER_EXCHANGE = "x-dead-letter-exchange"
DEAD_LETTER_KEY = "x-dead-letter-routing-key"
LONGEST_EXCHANGE = 127
LONGEST_QUEUE = 255
LONGEST_KEY = 255
MOST_HASHES = 2
MOST_PREFETCH = 65535
RESERVED = "amq."
INTERNAL = "amq.rabbitmq."

_allowed = re.compile(r"[a-zA-Z0-9\-_.:@#,/+ ]*")
_known_exchanges: set[str] = {""}


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange to declare."""

    name: str
    type: str
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Raise :class:`~mooq.BadExchange` for what RabbitMQ would refuse."""
        check_exchange_name(self.name)
        if not self.name:
            raise BadExchange("the default exchange '' exists already; give yours a name")
        if self.name.startswith(RESERVED):
            raise BadExchange(
                f"exchange name {self.name!r} begins with {RESERVED!r}, which RabbitMQ keeps for "
                "itself; choose another name"
            )
        if self.type not in EXCHANGE_TYPES:
            raise BadExchange(
                f"exchange {self.name!r} has the unknown type {self.type!r}; "
                f"choose one of {', '.join(EXCHANGE_TYPES)}"
            )


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue to declare: a durable one, or one named by the broker and exclusive to a channel."""

    name: str = ""
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Raise :class:`~mooq.BadQueue` for a type that RabbitMQ does not have.

        With such a type and a generated name, RabbitMQ 4.0 fails and closes the connection.
        """
        queue_type = self.arguments.get("x-queue-type", QUEUE_TYPES[0])
        if queue_type not in QUEUE_TYPES:
            raise BadQueue(
                f"queue {self.name!r} has the unknown type {queue_type!r}; choose one of "
                f"{', '.join(QUEUE_TYPES)}"
            )

    @property
    def dead_letter_exchange(self) -> str | None:
        """The dead-letter exchange, if any."""
        return self.arguments.get(DEAD_LETTER_EXCHANGE)

    def dead_letter_key(self, routing_key: str) -> str:
        """Return the routing key of a dead letter whose message had this one."""
        return str(self.arguments.get(DEAD_LETTER_KEY, routing_key))

    @classmethod
    def for_consumer(
        cls,
        name: str | None,
        dead_letter_exchange: str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Queue:
        """Return the queue that ``register_consumer(queue_name=name)`` declares.

        Raises :class:`~mooq.BadQueue` for an invalid name, :class:`~mooq.BadExchange` for an
        invalid dead-letter exchange, and ``ValueError`` if that is given twice.
        """
        arguments = dict(arguments or {})
        if dead_letter_exchange is not None:
            if DEAD_LETTER_EXCHANGE in arguments:
                raise ValueError(
                    f"dead_letter_exchange and queue_arguments[{DEAD_LETTER_EXCHANGE!r}] are the "
                    "same setting; pass only one"
                )
            arguments[DEAD_LETTER_EXCHANGE] = dead_letter_exchange
        if DEAD_LETTER_EXCHANGE in arguments:
            check_exchange_name(arguments[DEAD_LETTER_EXCHANGE])
        if name is None:
            return cls("", False, True, True, arguments)
        return cls(check_new_queue_name(name), arguments=arguments)


def check_new_queue_name(name: str) -> str:
    """Return a name for declaring a queue, or raise :class:`~mooq.BadQueue`."""
    check_queue_name(name)
    if name.startswith(RESERVED):
        raise BadQueue(
            f"queue name {name!r} begins with {RESERVED!r}, which RabbitMQ keeps for itself; "
            "choose another name"
        )
    return name


def check_exchange_name(name: str) -> str:
    """Return an exchange name for publishing, or raise :class:`~mooq.BadExchange`."""
    if not isinstance(name, str):
        raise BadExchange(f"exchange name must be a str, not {type(name).__name__}")
    if name in _known_exchanges:
        return name
    _check_name("exchange", name, LONGEST_EXCHANGE, BadExchange)
    if name.startswith(INTERNAL):
        raise BadExchange(
            f"exchange {name!r} is for RabbitMQ's own messages; publish to one of yours"
        )
    if len(_known_exchanges) < 10_000:  # a cache, not a leak
        _known_exchanges.add(name)
    return name


def check_queue_name(name: str) -> str:
    """Return a valid queue name, or raise :class:`~mooq.BadQueue`."""
    if not isinstance(name, str):
        raise BadQueue(f"queue name must be a str, not {type(name).__name__}")
    if not name:
        raise BadQueue("queue name is empty; name the queue")
    _check_name("queue", name, LONGEST_QUEUE, BadQueue)
    return name


def _check_name(noun: str, name: str, longest: int, error: type[BadExchange | BadQueue]) -> None:
    if len(name) > longest:
        raise error(
            f"{noun} name {name[:30]!r}… has {len(name)} characters; at most {longest} are allowed"
        )
    if not _allowed.fullmatch(name):
        wrong = next(character for character in name if not _allowed.fullmatch(character))
        raise error(
            f"{noun} name {name!r} holds {wrong!r}; only ASCII letters, digits, space and "
            "-_.:@#,/+ are allowed"
        )


def check_routing_key(key: str) -> str:
    """Return the key, or raise ``TypeError``, or ``ValueError`` over 255 bytes of UTF-8."""
    if not isinstance(key, str):
        raise TypeError(f"routing key must be a str, not {type(key).__name__}")
    # A character has at most four bytes, so most keys can be checked without encoding.
    if len(key) * 4 > LONGEST_KEY or not key.isascii():
        size = len(utf8("routing key", key))
        if size > LONGEST_KEY:
            raise ValueError(
                f"routing key {key[:30]!r}… has {size} bytes; at most {LONGEST_KEY} are allowed"
            )
    return key


def check_routing_keys(
    keys: str | Iterable[str], exchange: Exchange, *, is_given: bool = True
) -> tuple[str, ...]:
    """Return the keys to bind with: ``""`` alone for a fanout or headers exchange.

    Raises ``TypeError`` unless they are strings. Raises ``ValueError`` without keys, for a key over
    255 bytes, or for a topic key with more than two ``#`` words, which RabbitMQ 4.3 refuses.
    """
    if exchange.type == "topic" and not is_given:
        raise ValueError(
            f"exchange {exchange.name!r} is a topic exchange and routing_keys is missing, so only "
            "messages with an empty routing key would arrive; pass routing_keys, such as '#' for "
            "every message"
        )
    if isinstance(keys, str):
        keys = (keys,)
    if not hasattr(keys, "__iter__"):
        raise TypeError(
            f"routing_keys must be a str or an iterable of str: it is of type {type(keys).__name__}"
        )
    try:
        checked = tuple(dict.fromkeys(map(check_routing_key, keys)))
    except TypeError as error:
        raise TypeError(f"routing_keys must be a str or an iterable of str: {error}") from None
    if exchange.type in ("fanout", "headers"):
        return ("",)
    if not checked:
        raise ValueError("routing_keys is empty, so nothing would ever arrive; give a key")
    if exchange.type == "topic":
        for key in checked:
            hashes = key.split(".").count("#")
            if hashes > MOST_HASHES:
                raise ValueError(
                    f"routing key {key!r} holds {hashes} '#' words; RabbitMQ allows at most "
                    f"{MOST_HASHES}"
                )
    return checked


def check_prefetch_count(count: int) -> int:
    """Return the count, or raise ``TypeError``, or ``ValueError`` outside 1 … 65535."""
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"prefetch_count must be an int, not {type(count).__name__}")
    if not 1 <= count <= MOST_PREFETCH:
        raise ValueError(f"prefetch_count must be between 1 and {MOST_PREFETCH}, not {count}")
    return count
