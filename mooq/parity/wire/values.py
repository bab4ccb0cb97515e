"""Values for programs: arguments, headers and properties, valid and invalid."""

from __future__ import annotations

from typing import Any

from mooq.parity.wire.programs import Typed

USUAL: dict[str, list[Any]] = {
    "x-max-length": [1, 2, 3],
    "x-max-length-bytes": [4, 8],
    "x-overflow": ["drop-head", "reject-publish", "reject-publish-dlx"],
    "x-dead-letter-exchange": ["", "x1", "x2"],
    "x-dead-letter-routing-key": ["q1", "q2", "a"],
    "x-max-priority": [3],
    "x-single-active-consumer": [True],
    "x-message-ttl": [0, 100, 60_000],
}
"""Arguments of classic queues, with valid values."""
OF_QUORUM: dict[str, list[Any]] = {
    **{name: values for name, values in USUAL.items() if name != "x-max-priority"},
    "x-overflow": ["drop-head"],
    "x-delivery-limit": [0, 1, 2, -1],
    "x-dead-letter-strategy": ["at-most-once"],
    "x-queue-leader-locator": ["client-local", "balanced"],
}
"""The same for quorum queues."""
ARGUMENTS: dict[str, list[Any]] = {
    "x-max-length": [1, 2, 3, 0, -1, "one"],
    "x-max-length-bytes": [4, 8],
    "x-overflow": ["drop-head", "reject-publish", "reject-publish-dlx", "nothing"],
    "x-dead-letter-exchange": ["", "x1", "x2", "nobody", 7],
    "x-dead-letter-routing-key": ["q1", "q2", "a"],
    "x-max-priority": [3, 3, 0, 256, "high"],
    "x-single-active-consumer": [True, False, "yes"],
    "x-message-ttl": [0, 100, 60_000, -1, "long"],
    "x-expires": [60_000, 100, 0],
    "x-queue-mode": ["lazy", "default"],
    "x-queue-type": ["classic", "quorum", "nothing", 5],
    "x-queue-leader-locator": ["client-local", "balanced", "nowhere"],
    "x-delivery-limit": [2, -1],
    "x-dead-letter-strategy": ["at-most-once", "never"],
    "x-cancel-on-ha-failover": [True],
    "x-unknown": [1],
}
TIMES = ("x-expires", "x-message-ttl")
LONG_TIME = 60_000  # milliseconds; no program takes so long
ODD: list[Any] = [
    *(1, -1, 2.5, "", "odd", True, None, [1], {"a": 1}, Typed("byte", 1), Typed("short", 2)),
    *(Typed("unsignedbyte", 1), Typed("unsignedshort", 2), Typed("unsignedint", 3)),
    *(Typed("long", 2**40), Typed("float", 1.5), Typed("decimal", 5), Typed("timestamp", 5)),
    Typed("binary", "b"),
]
"""A value of each field type; most arguments accept few types."""
HEADERS: list[dict[str, Any]] = [
    *({"h": 1}, {"h": 2, "g": "s"}, {"h": 1, "g": "s"}),
    *({"CC": ["q1"]}, {"BCC": ["q2", "q3"]}, {"CC": "q1"}, {"n": {"t": [1, None, 2.5]}}),
    *({"CC": ["q1", 5, "q1"], "BCC": ["q1"]}, {"BCC": {"a": 1}}, {"CC": []}),
    *({"h": one} for one in ODD),
    {"all": ODD},
]
BINDINGS: list[dict[str, Any]] = [
    *({}, {}, {"x-match": "any", "h": 1}, {"x-match": "all", "h": 1, "g": "s"}),
    *({"x-match": "some"}, {"x-match": "any-with-x", "x-h": 1}, {"h": 1}, {"x-match": 5}),
    *({"h": None}, {"x-match": "any"}, {"x-match": "all-with-x", "x-h": 1, "h": 1}),
    *({"h": one} for one in ODD),
]
OF_EXCHANGES: list[dict[str, Any]] = [
    *({"alternate-exchange": name} for name in ("x1", "x2", "x3", "", "nobody", "amq.topic", 5)),
    {"x-unknown": 1},
]
OF_CONSUMERS: list[dict[str, Any]] = [
    *({"x-priority": value} for value in (5, -1, "high", 2.5, True, None, 10, Typed("byte", 5))),
    *({"x-cancel-on-ha-failover": True}, {"x-unknown": 1}),
]
PROPERTIES: dict[str, list[Any]] = {
    "headers": HEADERS,
    "priority": [0, 1, 3, 9, 255],
    "expiration": ["0", "100", "60000", "-1", "soon", "", "+60000", "315360000001"],
    "delivery_mode": [1, 2, 0, 3],
    "user_id": ["guest", "nobody", ""],
    "content_type": ["text/plain", ""],
    "content_encoding": ["gzip"],
    "correlation_id": ["c"],
    "reply_to": ["q1", "amq.rabbitmq.reply-to"],
    "message_id": ["m"],
    "timestamp": [1_700_000_000, 0],
    "type": ["t"],
    "app_id": ["a"],
    "cluster_id": ["k"],
}
