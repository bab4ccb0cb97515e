"""Exchange types: the queues and exchanges to which each routes a message."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from mooq.broker.binding_arguments import frozen, matches
from mooq.broker.topics import TopicTrie
from mooq.broker.values import Table

if TYPE_CHECKING:
    from mooq.broker.message import Message
    from mooq.broker.queue import Queue
    from mooq.broker.versions import Version

Destination: TypeAlias = "Queue | Exchange"
Binding: TypeAlias = "tuple[str, tuple[tuple[str, Any], ...]]"
"""A routing key and arguments."""


class Exchange:
    """An exchange of a virtual host, with the bindings from it."""

    kind = "exchange"

    def __init__(
        self,
        name: str,
        type_: str,
        *,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
        version: Version,
    ) -> None:
        self.name = name
        self._version = version
        self.type = type_
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments
        alternate = arguments.get("alternate-exchange")
        self.alternate: str | None = alternate if isinstance(alternate, str) else None
        self.bindings: dict[Destination, dict[Binding, Table]] = {}
        self.leads_to_queues_only: bool = self.alternate is None
        self.sources: set[Exchange] = set()  # exchanges that are bound to this one

    def bind(self, destination: Destination, key: str, arguments: Table) -> None:
        """Add a binding. Binding twice is safe."""
        known = self.bindings.setdefault(destination, {})
        binding = key, frozen(arguments)
        if binding not in known:
            known[binding] = arguments
            self._add(destination, key, arguments)
            if isinstance(destination, Exchange):
                self.leads_to_queues_only = False
        destination.sources.add(self)

    def has_binding(self, destination: Destination, key: str, arguments: Table) -> bool:
        """Return whether there is such a binding."""
        return (key, frozen(arguments)) in self.bindings.get(destination, ())

    def unbind(self, destination: Destination, key: str, arguments: Table) -> None:
        """Remove a binding, which must exist."""
        known = self.bindings[destination]
        self._remove(destination, key, known.pop((key, frozen(arguments))))
        if not known:
            del self.bindings[destination]
            destination.sources.discard(self)

    def unbind_all(self, destination: Destination) -> bool:
        """Remove all bindings to a destination; return whether there were any."""
        known = self.bindings.pop(destination, None)
        if known is None:
            return False
        destination.sources.discard(self)
        for (key, _), arguments in known.items():
            self._remove(destination, key, arguments)
        return True

    def route(self, message: Message, key: str) -> Iterable[Destination]:
        """Return the destinations of a message for one of its routing keys."""
        raise NotImplementedError

    def _add(self, destination: Destination, key: str, arguments: Table) -> None:
        """Index a binding for :meth:`route`."""

    def _remove(self, destination: Destination, key: str, arguments: Table) -> None:
        """Remove a binding from the index."""


class DirectExchange(Exchange):
    """Routes by equal keys."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._by_key: dict[str, dict[Destination, int]] = {}

    def route(self, message: Message, key: str) -> Iterable[Destination]:
        """Return the destinations bound with exactly this key."""
        return self._by_key.get(key, ())

    def _add(self, destination: Destination, key: str, arguments: Table) -> None:
        counts = self._by_key.setdefault(key, {})
        counts[destination] = counts.get(destination, 0) + 1

    def _remove(self, destination: Destination, key: str, arguments: Table) -> None:
        counts = self._by_key[key]
        counts[destination] -= 1
        if not counts[destination]:
            del counts[destination]
            if not counts:
                del self._by_key[key]


class FanoutExchange(Exchange):
    """Routes to all bound destinations."""

    def route(self, message: Message, key: str) -> Iterable[Destination]:
        """Return all destinations."""
        return self.bindings


class TopicExchange(Exchange):
    """Routes by patterns that match the key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trie: TopicTrie[Destination] = TopicTrie()

    def route(self, message: Message, key: str) -> Iterable[Destination]:
        """Return the destinations bound with a pattern that matches the key."""
        return self._trie.match(key)

    def _add(self, destination: Destination, key: str, arguments: Table) -> None:
        self._trie.add(key, destination)

    def _remove(self, destination: Destination, key: str, arguments: Table) -> None:
        self._trie.remove(key, destination)


class HeadersExchange(Exchange):
    """Routes by headers that match the arguments of a binding."""

    def route(self, message: Message, key: str) -> Iterable[Destination]:
        """Return the destinations bound with arguments that match the headers."""
        headers = message.properties.headers or {}
        return [
            destination
            for destination, bindings in self.bindings.items()
            if any(matches(arguments, headers, self._version) for arguments in bindings.values())
        ]


class LocalRandomExchange(Exchange):
    """Routes to one bound destination, chosen at random."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._random = Random()  # noqa: S311 - not for security

    def route(self, message: Message, key: str) -> Iterable[Destination]:
        """Return one of the destinations."""
        return [self._random.choice(list(self.bindings))] if self.bindings else ()


EXCHANGES: dict[str, type[Exchange]] = {
    "direct": DirectExchange,
    "fanout": FanoutExchange,
    "topic": TopicExchange,
    "headers": HeadersExchange,
    "x-local-random": LocalRandomExchange,
}
