"""Which queues a message goes to: topic, direct and fanout bindings."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooq.broker.direct.routing import (
    BINDINGS,
    Bindings,
    DirectBindings,
    FanoutBindings,
    TopicBindings,
)
from tests.topic_pairs import TOPIC_PAIRS


def words_of(text: str) -> list[str]:
    return text.split(".") if text else []


def matches(pattern: list[str], key: list[str]) -> bool:
    """The rule itself, as plainly as it can be said."""
    if not pattern:
        return not key
    first, *rest = pattern
    if first == "#":
        return matches(rest, key) or (bool(key) and matches(pattern, key[1:]))
    return bool(key) and first in ("*", key[0]) and matches(rest, key[1:])


def routed(bindings: Bindings[str], key: str) -> list[str]:
    return sorted(bindings.route(key))


@pytest.mark.parametrize(("pattern", "key", "is_routed"), TOPIC_PAIRS)
def test_a_topic_pattern_takes_the_keys_that_rabbitmq_routes_by_it(
    pattern: str, key: str, is_routed: bool
) -> None:
    bindings = TopicBindings[str]()
    bindings.bind(pattern, "queue")
    assert routed(bindings, key) == (["queue"] if is_routed else [])


@pytest.mark.parametrize(("pattern", "key", "is_routed"), TOPIC_PAIRS)
def test_the_plain_matcher_of_these_tests_says_what_rabbitmq_says(
    pattern: str, key: str, is_routed: bool
) -> None:
    assert matches(words_of(pattern), words_of(key)) is is_routed


def test_all_short_patterns_and_keys_match_as_often_as_was_measured() -> None:
    """RabbitMQ 3.10 and 4.0 gave 35,145 of these 184,080 pairs a copy each, and none twice."""
    patterns = [
        ".".join(words) for count in (1, 2, 3) for words in product("#*ab_", repeat=count)
    ] + [".".join(words) for words in product("#*a", repeat=4)]
    keys = [".".join(words) for count in (1, 2, 3, 4) for words in product("#*ab_", repeat=count)]
    bindings = TopicBindings[str]()
    patterns = [pattern.replace("_", "") for pattern in patterns]  # an empty word
    for pattern in patterns:
        bindings.bind(pattern, pattern)
    copies = [list(bindings.route(key.replace("_", ""))) for key in keys]
    assert (len(patterns), len(keys)) == (236, 780)
    assert sum(map(len, copies)) == 35_145
    assert all(len(set(copy)) == len(copy) for copy in copies)


words = st.sampled_from(["", "a", "b", "ab", "*", "#", "**", "a#", "é"])
topics = st.lists(words, max_size=6).map(".".join)


@given(patterns=st.lists(topics, max_size=12), keys=st.lists(topics, min_size=1, max_size=6))
@example(patterns=["#.#.#.a", "#.a.#"], keys=["a.a.a"])
def test_the_trie_finds_what_a_plain_recursive_matcher_finds(
    patterns: list[str], keys: list[str]
) -> None:
    bindings = TopicBindings[str]()
    for pattern in patterns:
        bindings.bind(pattern, pattern)
    for key in keys:
        found = list(bindings.route(key))
        assert sorted(found) == sorted(
            {pattern for pattern in patterns if matches(words_of(pattern), words_of(key))}
        )


@given(st.data(), st.lists(st.tuples(topics, st.sampled_from("pqr")), max_size=15))
def test_a_trie_that_lost_a_queue_routes_as_one_that_never_had_it(
    data: st.DataObject, bound: list[tuple[str, str]]
) -> None:
    gone = data.draw(st.sampled_from("pqr"))
    bindings, others = TopicBindings[str](), TopicBindings[str]()
    for pattern, queue in bound:
        bindings.bind(pattern, queue)
        if queue != gone:
            others.bind(pattern, queue)
    bindings.unbind_queue(gone)
    for key in [pattern for pattern, _ in bound] + data.draw(st.lists(topics, max_size=4)):
        assert routed(bindings, key) == routed(others, key)


@given(st.lists(st.tuples(topics, st.sampled_from("pqr")), max_size=15))
def test_a_trie_holds_nothing_after_all_is_unbound(bound: list[tuple[str, str]]) -> None:
    bindings = TopicBindings[str]()
    for pattern, queue in bound:
        bindings.bind(pattern, queue)
    for queue in "pqr":
        bindings.unbind_queue(queue)
    assert not bindings._root.children
    assert not bindings._root.queues
    assert not bindings._patterns


def test_direct_and_fanout_bindings_hold_nothing_after_all_is_unbound() -> None:
    direct, fanout = DirectBindings[str](), FanoutBindings[str]()
    for bindings in (direct, fanout):
        for key, queue in (("k", "p"), ("k", "q"), ("l", "p"), ("", "q")):
            bindings.bind(key, queue)
        bindings.unbind_queue("p")
        assert routed(bindings, "k") == ["q"]
        bindings.unbind_queue("q")
        assert routed(bindings, "k") == []
    assert not direct._queues
    assert not fanout._queues


@pytest.mark.parametrize("kind", BINDINGS)
def test_one_queue_gets_one_copy_however_often_it_is_bound(kind: str) -> None:
    bindings: Bindings[Any] = BINDINGS[kind]()
    for key in ("a.b", "a.b", "a.*", "*.b", "#", ""):
        bindings.bind(key, "queue")
    assert list(bindings.route("a.b")) == ["queue"]


@pytest.mark.parametrize("kind", BINDINGS)
def test_what_was_bound_twice_is_gone_when_it_is_unbound_once(kind: str) -> None:
    bindings: Bindings[Any] = BINDINGS[kind]()
    bindings.bind("a.z", "queue")
    bindings.bind("a.z", "queue")
    bindings.unbind_queue("queue")
    assert list(bindings.route("a.z")) == []


@pytest.mark.parametrize("kind", BINDINGS)
def test_unbinding_a_queue_that_is_not_bound_is_nothing(kind: str) -> None:
    bindings: Bindings[Any] = BINDINGS[kind]()
    bindings.bind("k", "bound")
    bindings.unbind_queue("stranger")
    assert list(bindings.route("k")) == ["bound"]


@pytest.mark.parametrize(
    ("bound", "published", "arrive"),
    [
        (["", "k", "k"], ["", "k", "K", "k.", "*", "none"], ["", "k"]),
        (["*", "#", "a.*"], ["zz", "*", "#", "a.b", "a.*"], ["*", "#", "a.*"]),
        (["é1", "y" * 255], ["é1", "y" * 255, "e1"], ["é1", "y" * 255]),
    ],
    ids=["an empty key is a key", "wildcards are letters", "unicode and 255 bytes"],
)
def test_direct_bindings_take_the_very_key(
    bound: list[str], published: list[str], arrive: list[str]
) -> None:
    bindings = DirectBindings[str]()
    for key in bound:
        bindings.bind(key, "queue")
    assert [key for key in published if "queue" in bindings.route(key)] == arrive


def test_fanout_bindings_take_any_key() -> None:
    bindings = FanoutBindings[str]()
    for key in ("x", "y", ""):
        bindings.bind(key, "queue")
    bindings.bind("x", "other")
    assert [routed(bindings, key) for key in ("zzz", "x", "")] == [["other", "queue"]] * 3
