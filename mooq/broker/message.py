"""Messages: body, routing and the 14 basic properties."""

from __future__ import annotations

from typing import Any, ClassVar

from mooq.broker.values import Table

PROPERTY_NAMES = (
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)
"""The basic properties, in the order of AMQP's property flags: the first is bit 15."""

FLAGS = {name: 1 << (15 - index) for index, name in enumerate(PROPERTY_NAMES)}
"""The property flag of each basic property (AMQP 0-9-1, 4.2.6.1)."""

HAS_HEADERS = FLAGS["headers"]
HAS_DELIVERY_MODE = FLAGS["delivery_mode"]
HAS_PRIORITY = FLAGS["priority"]
HAS_REPLY_TO = FLAGS["reply_to"]
HAS_EXPIRATION = FLAGS["expiration"]
HAS_USER_ID = FLAGS["user_id"]

PERSISTENT = 2


class Properties:
    """The basic properties of a message; None if absent. Immutable.

    ``flags`` has the bit of :data:`FLAGS` set for each property that is present, so rules can skip
    absent ones. A subclass may leave the other attributes unset, and fill all of them in
    ``__getattr__``, which Python calls for the first one that is read.
    """

    __slots__ = ("flags", *PROPERTY_NAMES)

    flags: int
    content_type: str | None
    content_encoding: str | None
    headers: Table | None
    delivery_mode: int | None
    priority: int | None
    correlation_id: str | None
    reply_to: str | None
    expiration: str | None
    message_id: str | None
    timestamp: int | None
    type: str | None
    user_id: str | None
    app_id: str | None
    cluster_id: str | None

    def __init__(
        self,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: Table | None = None,
        delivery_mode: int | None = None,
        priority: int | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        expiration: str | None = None,
        message_id: str | None = None,
        timestamp: int | None = None,
        type: str | None = None,
        user_id: str | None = None,
        app_id: str | None = None,
        cluster_id: str | None = None,
    ) -> None:
        self.content_type = content_type
        self.content_encoding = content_encoding
        self.headers = headers
        self.delivery_mode = delivery_mode
        self.priority = priority
        self.correlation_id = correlation_id
        self.reply_to = reply_to
        self.expiration = expiration
        self.message_id = message_id
        self.timestamp = timestamp
        self.type = type
        self.user_id = user_id
        self.app_id = app_id
        self.cluster_id = cluster_id
        self.flags = sum(flag for name, flag in FLAGS.items() if getattr(self, name) is not None)

    def replace(self, **changes: Any) -> Properties:
        """Return a copy with some properties changed; None removes one."""
        values = {name: getattr(self, name) for name in PROPERTY_NAMES}
        return Properties(**(values | changes))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Properties):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in PROPERTY_NAMES)

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __repr__(self) -> str:
        present = ((name, getattr(self, name)) for name in PROPERTY_NAMES)
        return f"Properties({', '.join(f'{n}={v!r}' for n, v in present if v is not None)})"


NO_PROPERTIES = Properties()


class Message:
    """A published or dead-lettered message. Queues share it, so it is immutable.

    A routing key that is not UTF-8 contains surrogate escapes. ``routing_keys`` are all keys for
    routing: its own, then those of the CC and BCC headers. None stands for its own key only. A dead
    letter's ``delivery_count`` is the number of its failed deliveries from quorum queues.
    """

    __slots__ = (
        "body",
        "delivery_count",
        "exchange",
        "properties",
        "routing_key",
        "routing_keys",
    )

    def __init__(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        properties: Properties = NO_PROPERTIES,
        routing_keys: tuple[str, ...] | None = None,
        delivery_count: int = 0,
    ) -> None:
        self.body: bytes = body
        self.delivery_count: int = delivery_count
        self.exchange: str = exchange
        self.routing_key: str = routing_key
        self.properties: Properties = properties
        self.routing_keys: tuple[str, ...] | None = routing_keys

    @property
    def is_persistent(self) -> bool:
        """Whether it survives a restart in a durable classic queue."""
        return self.properties.delivery_mode == PERSISTENT

    def with_properties(self, **changes: Any) -> Message:
        """Return a copy in which some properties have other values; ``None`` removes one."""
        return Message(
            self.body,
            self.exchange,
            self.routing_key,
            self.properties.replace(**changes),
            self.routing_keys,
            self.delivery_count,
        )

    def __repr__(self) -> str:
        return (
            f"Message({self.body!r}, exchange={self.exchange!r}, "
            f"routing_key={self.routing_key!r}, properties={self.properties!r})"
        )
