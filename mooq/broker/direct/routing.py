"""Which queues a message goes to: the bindings of one exchange, by its type.

A topic pattern is words split by ``.``: ``*`` stands for exactly one word, which may be empty,
``#`` for any number of words, also none; a wildcard is a whole word or it is a literal. The empty
key has no words. (AMQP 0-9-1 §3.1.3.3; measured on RabbitMQ 3.10, 4.0 and 4.3.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

Q = TypeVar("Q")


class Bindings(ABC, Generic[Q]):
    """The bindings of one exchange to queues of type ``Q``, anything hashable."""

    @abstractmethod
    def bind(self, key: str, queue: Q) -> None:
        """Bind a queue by a key; a second time is no other binding."""

    @abstractmethod
    def unbind_queue(self, queue: Q) -> None:
        """Take away every binding of a queue."""

    @abstractmethod
    def route(self, key: str) -> Iterable[Q]:
        """Return each queue that a message with this key goes to, once."""


class DirectBindings(Bindings[Q]):
    """To the queues bound by the very key."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[Q, None]] = {}

    def bind(self, key: str, queue: Q) -> None:
        self._queues.setdefault(key, {})[queue] = None

    def unbind_queue(self, queue: Q) -> None:
        for key in [key for key, queues in self._queues.items() if queue in queues]:
            del self._queues[key][queue]
            if not self._queues[key]:
                del self._queues[key]

    def route(self, key: str) -> Iterable[Q]:
        return self._queues.get(key, ())


class FanoutBindings(Bindings[Q]):
    """To every queue that is bound, whatever the key."""

    def __init__(self) -> None:
        self._queues: dict[Q, None] = {}

    def bind(self, key: str, queue: Q) -> None:
        self._queues[queue] = None

    def unbind_queue(self, queue: Q) -> None:
        self._queues.pop(queue, None)

    def route(self, key: str) -> Iterable[Q]:
        return self._queues


class TopicBindings(Bindings[Q]):
    """To the queues whose pattern the key matches: a trie with one level a word.

    Routing costs what the key's words and the wildcards met by them cost, not what is bound
    elsewhere.
    """

    def __init__(self) -> None:
        self._root: _Node[Q] = _Node()
        self._patterns: dict[Q, dict[str, None]] = {}

    def bind(self, key: str, queue: Q) -> None:
        node = self._root
        for word in words_of(key):
            node = node.children.setdefault(word, _Node(is_hash=word == "#"))
        node.queues[queue] = None
        self._patterns.setdefault(queue, {})[key] = None

    def unbind_queue(self, queue: Q) -> None:
        for pattern in self._patterns.pop(queue, ()):
            self._unbind(words_of(pattern), queue)

    def _unbind(self, words: list[str], queue: Q) -> None:
        path = [self._root]
        for word in words:
            path.append(path[-1].children[word])
        del path[-1].queues[queue]
        for parent, word, child in reversed(list(zip(path, words, path[1:], strict=False))):
            if child.queues or child.children:
                break
            del parent.children[word]

    def route(self, key: str) -> Iterable[Q]:
        nodes = _with_hashes([self._root])
        for word in words_of(key):
            reached: list[_Node[Q]] = []
            for node in nodes:
                if node.is_hash:
                    reached.append(node)
                if "*" in node.children:
                    reached.append(node.children["*"])
                if word in node.children:  # a wildcard in a key reaches nothing new by this
                    reached.append(node.children[word])
            nodes = _with_hashes(reached)
        found: dict[Q, None] = {}
        for node in nodes:
            found.update(node.queues)
        return found


class _Node(Generic[Q]):
    """What is bound by the words up to here, and the words that go on."""

    __slots__ = ("children", "is_hash", "queues")

    def __init__(self, is_hash: bool = False) -> None:
        self.children: dict[str, _Node[Q]] = {}
        self.queues: dict[Q, None] = {}
        self.is_hash = is_hash


def _with_hashes(nodes: list[_Node[Q]]) -> Iterable[_Node[Q]]:
    """Return the nodes, each once, and those reached from them by a ``#`` that takes no word."""
    found = dict.fromkeys(nodes)
    for node in nodes:
        child = node.children.get("#")
        while child is not None:
            found[child] = None
            child = child.children.get("#")
    return found


def words_of(key: str) -> list[str]:
    """Return the words of a key or pattern; the empty one has none."""
    return key.split(".") if key else []


BINDINGS: dict[str, type[Bindings[Any]]] = {
    "direct": DirectBindings,
    "fanout": FanoutBindings,
    "topic": TopicBindings,
}
