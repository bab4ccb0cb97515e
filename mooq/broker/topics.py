"""Topic patterns in a trie: ``*`` matches one word, ``#`` any number of words.

The cost of a match depends on the words of the key and the wildcards on its path, and not on the
number of other patterns.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

D = TypeVar("D", bound=Hashable)


class _Node(Generic[D]):
    """The destinations of the pattern that ends here, and the next words of longer patterns."""

    __slots__ = ("children", "destinations", "is_hash")

    def __init__(self, is_hash: bool = False) -> None:
        self.children: dict[str, _Node[D]] = {}
        self.destinations: dict[D, int] = {}
        self.is_hash = is_hash


class TopicTrie(Generic[D]):
    """Destinations by pattern."""

    def __init__(self) -> None:
        self._root: _Node[D] = _Node()

    def add(self, pattern: str, destination: D) -> None:
        """Add a destination. If added twice, it must be removed twice."""
        node = self._root
        for word in words_of(pattern):
            node = node.children.setdefault(word, _Node(is_hash=word == "#"))
        node.destinations[destination] = node.destinations.get(destination, 0) + 1

    def remove(self, pattern: str, destination: D) -> None:
        """Remove a destination that was added with this pattern."""
        words = words_of(pattern)
        path = [self._root]
        for word in words:
            path.append(path[-1].children[word])
        destinations = path[-1].destinations
        destinations[destination] -= 1
        if destinations[destination]:
            return
        del destinations[destination]
        for parent, word, child in reversed(list(zip(path, words, path[1:], strict=False))):
            if child.destinations or child.children:
                break
            del parent.children[word]

    def match(self, key: str) -> Iterable[D]:
        """Return the destinations whose patterns match a key, each once."""
        nodes = _with_hashes([self._root])
        for word in words_of(key):
            reached: list[_Node[D]] = []
            for node in nodes:
                if node.is_hash:
                    reached.append(node)
                if "*" in node.children:
                    reached.append(node.children["*"])
                if word in node.children:  # for "*" or "#" in a key, adds no new node
                    reached.append(node.children[word])
            nodes = _with_hashes(reached)
        found: dict[D, int] = {}
        for node in nodes:
            found.update(node.destinations)
        return found


def _with_hashes(nodes: list[_Node[D]]) -> Iterable[_Node[D]]:
    """Return the nodes, each once, and those reached from them by a ``#`` that matches no word."""
    found = dict.fromkeys(nodes)
    for node in nodes:
        child = node.children.get("#")
        while child is not None:
            found[child] = None
            child = child.children.get("#")
    return found


def words_of(key: str) -> list[str]:
    """Return the words of a key or pattern; an empty one has none."""
    return key.split(".") if key else []
