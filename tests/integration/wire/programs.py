"""Random programs of valid and invalid AMQP methods, arguments and properties."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from pamqp.commands import Basic, Exchange, Queue

from tests.integration.wire.peer import Step, publish

QUEUES = ("q0", "q1", "q2")
EXCHANGES = ("x0", "x1", "x2", "amq.topic", "amq.headers", "amq.direct", "amq.fanout")
KEYS = ("", "a", "a.b", "#", "a.*", "b")
ARGUMENTS: dict[str, list[Any]] = {
    "x-max-length": [0, 1, 2, -1, "a"],
    "x-max-length-bytes": [5],
    "x-overflow": ["drop-head", "reject-publish", "reject-publish-dlx", "bad", 3],
    "x-dead-letter-exchange": ["", "x0", 7],
    "x-dead-letter-routing-key": ["q1", "a"],
    "x-max-priority": [3, 300],
    "x-single-active-consumer": [True, "x"],
    "x-message-ttl": [100_000, -5, True],
    "x-expires": [0, 600_000, 1.5],
    "x-queue-mode": ["lazy", "odd"],
    "x-delivery-limit": [2],
}
HEADERS: list[dict[str, Any]] = [
    {"h": 1},
    {"h": 2, "g": "s"},
    {"CC": ["q0"]},
    {"BCC": ["q1", "q2"]},
    {"CC": "x"},
]
BINDING_ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"x-match": "any", "h": 1},
    {"x-match": "all", "h": 1, "g": "s"},
]


class ProgramGenerator:
    """Generates a random program, optionally with quorum queues."""

    def __init__(self, seed: int, *, quorum: bool) -> None:
        self._random = Random(seed)
        self._types = ["classic", "quorum", "what"] if quorum else ["classic", "what"]
        self._bodies = 0
        self._steps: list[tuple[int, Callable[[], Step]]] = [
            (16, self._declare_queue),
            (8, self._declare_exchange),
            (10, self._bind),
            (4, self._unbind),
            (7, self._bind_exchange),
            (21, self._publish),
            (12, lambda: Basic.Get(queue=self._queue(), no_ack=self._chance(0.3))),
            (6, lambda: Basic.Ack(self._tag(), self._chance(0.3))),
            (5, lambda: Basic.Nack(self._tag(), self._chance(0.3), self._chance(0.6))),
            (3, lambda: Basic.Reject(self._tag(), self._chance(0.6))),
            (2, lambda: Queue.Purge(queue=self._queue())),
            (3, self._delete_queue),
            (2, lambda: Exchange.Delete(exchange=self._exchange(), if_unused=self._chance(0.4))),
            (1, lambda: Basic.Recover(requeue=self._chance(0.8))),
        ]

    def program(self) -> list[Step]:
        """Return a program."""
        weights = [weight for weight, _ in self._steps]
        makers = [make for _, make in self._steps]
        chosen = self._random.choices(makers, weights, k=self._random.randrange(6, 26))
        return [make() for make in chosen]

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _queue(self) -> str:
        return self._random.choice(QUEUES)

    def _exchange(self) -> str:
        return self._random.choice(EXCHANGES)

    def _key(self) -> str:
        return self._random.choice(KEYS)

    def _tag(self) -> int:
        return self._random.randrange(5)

    def _declare_queue(self) -> Step:
        arguments = {
            name: self._random.choice(values)
            for name, values in {**ARGUMENTS, "x-queue-type": self._types}.items()
            if self._chance(0.09)
        }
        return Queue.Declare(
            queue=self._queue(),
            durable=self._chance(0.7),
            exclusive=self._chance(0.1),
            auto_delete=self._chance(0.1),
            passive=self._chance(0.2),
            arguments=arguments,
        )

    def _declare_exchange(self) -> Step:
        kinds = ("direct", "fanout", "topic", "headers", "topic", "weird", "")
        return Exchange.Declare(
            exchange=self._exchange(),
            exchange_type=self._random.choice(kinds),
            durable=self._chance(0.5),
            auto_delete=self._chance(0.2),
            internal=self._chance(0.15),
            passive=self._chance(0.15),
            arguments={"alternate-exchange": self._exchange()} if self._chance(0.3) else {},
        )

    def _bind(self) -> Step:
        return Queue.Bind(
            queue=self._queue(),
            exchange=self._exchange(),
            routing_key=self._key(),
            arguments=self._random.choice(BINDING_ARGUMENTS),
        )

    def _unbind(self) -> Step:
        return Queue.Unbind(
            queue=self._queue(), exchange=self._exchange(), routing_key=self._key(), arguments={}
        )

    def _bind_exchange(self) -> Step:
        kind = Exchange.Bind if self._chance(0.7) else Exchange.Unbind
        return kind(
            destination=self._exchange(),
            source=self._exchange(),
            routing_key=self._key(),
            arguments={},
        )

    def _publish(self) -> Step:
        self._bodies += 1
        properties: dict[str, Any] = {}
        for name, share, values in (
            ("headers", 0.2, HEADERS),
            ("priority", 0.15, [0, 1, 9]),
            ("expiration", 0.1, ["100000", "0", "-1", "x", ""]),
            ("user_id", 0.05, ["guest", "bob"]),
            ("delivery_mode", 0.3, [2]),
        ):
            if self._chance(share):
                properties[name] = self._random.choice(values)
        return publish(
            self._exchange() if self._chance(0.4) else "",
            self._queue() if self._chance(0.5) else self._key(),
            f"m{self._bodies}".encode(),
            mandatory=self._chance(0.4),
            **properties,
        )

    def _delete_queue(self) -> Step:
        return Queue.Delete(
            queue=self._queue(), if_unused=self._chance(0.3), if_empty=self._chance(0.3)
        )
