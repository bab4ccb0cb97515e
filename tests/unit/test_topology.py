"""Validation of exchanges, queues, routing keys and prefetch counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from mooq.errors import BadExchange, BadQueue
from mooq.transports import declarations as topology
from mooq.transports.declarations import Exchange, Queue

HALF = "\ud800"  # a lone surrogate, as a wrongly decoded file name may hold
ALLOWED = "only ASCII letters, digits, space and -_.:@#,/+ are allowed"

# a name and the error text after the noun
NAMES_REFUSED = [
    (None, " must be a str, not NoneType"),
    (7, " must be a str, not int"),
    (b"name", " must be a str, not bytes"),
    (["name"], " must be a str, not list"),
    ("é", f" 'é' holds 'é'; {ALLOWED}"),
    ("✓", f" '✓' holds '✓'; {ALLOWED}"),
    ("a\nb", f" 'a\\nb' holds '\\n'; {ALLOWED}"),
    ("end\n", f" 'end\\n' holds '\\n'; {ALLOWED}"),
    ("a\0", f" 'a\\x00' holds '\\x00'; {ALLOWED}"),
    ("it's", f""" "it's" holds "'"; {ALLOWED}"""),
    ("a*", f" 'a*' holds '*'; {ALLOWED}"),
    (HALF, f" '\\ud800' holds '\\ud800'; {ALLOWED}"),
]

NAMES_TAKEN = ["q", "a.b", " ", "amq", "AMQ.foo", "a-b_c.d:e@f#g,h/i+j 0", "q" * 127]


# Names of exchanges


@pytest.mark.parametrize("name", [*NAMES_TAKEN, "", "amq.topic"])
def test_valid_exchange_name_can_be_published_to(name: str) -> None:
    assert topology.check_exchange_name(name) == name
    assert topology.check_exchange_name(name) == name  # now cached


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *NAMES_REFUSED,
        ("x" * 128, f" {'x' * 30!r}… has 128 characters; at most 127 are allowed"),
        ("x" * 10_000, f" {'x' * 30!r}… has 10000 characters; at most 127 are allowed"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_invalid_exchange_name_is_refused_every_time(name: Any, said: str) -> None:
    for act in (
        topology.check_exchange_name,
        topology.check_exchange_name,
        lambda name: Exchange(name, "topic"),
    ):
        with pytest.raises(BadExchange) as raised:
            act(name)
        assert str(raised.value) == "exchange name" + said


def test_trace_exchange_cannot_be_published_to() -> None:
    with pytest.raises(BadExchange, match=r"'amq\.rabbitmq\.trace' is for RabbitMQ's own messages"):
        topology.check_exchange_name("amq.rabbitmq.trace")


def test_exchange_name_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: set[str] = set()
    monkeypatch.setattr(topology, "_known_exchanges", remembered)
    for number in range(10_010):
        topology.check_exchange_name(f"e{number}")
    assert len(remembered) == 10_000
    assert topology.check_exchange_name("e10009") == "e10009"


# Exchanges


@pytest.mark.parametrize("kind", ["direct", "fanout", "topic"])
@pytest.mark.parametrize("name", NAMES_TAKEN)
def test_declared_exchange_is_durable(name: str, kind: str) -> None:
    assert dataclasses.astuple(Exchange(name, kind)) == (name, kind, True, False, False, {})


def test_default_exchange_cannot_be_declared() -> None:
    with pytest.raises(BadExchange) as raised:
        Exchange("", "direct")
    assert str(raised.value) == "the default exchange '' exists already; give yours a name"


@pytest.mark.parametrize("name", ["amq.foo", "amq.", "amq.topic", "amq.gen-x"])
def test_reserved_exchange_name_is_refused(name: str) -> None:
    with pytest.raises(BadExchange) as raised:
        Exchange(name, "topic")
    assert str(raised.value) == (
        f"exchange name '{name}' begins with 'amq.', which RabbitMQ keeps for itself; choose "
        "another name"
    )


@pytest.mark.parametrize("kind", ["nosuch", "", "TOPIC", "x-local-random", None, ["a"]])
def test_unknown_exchange_type_lists_the_choices(kind: Any) -> None:
    with pytest.raises(BadExchange) as raised:
        Exchange("e", kind)
    assert str(raised.value) == (
        f"exchange 'e' has the unknown type {kind!r}; choose one of direct, fanout, topic, headers"
    )


# Queues


@pytest.mark.parametrize("name", [*NAMES_TAKEN, "amq.gen-JzTY20BRgKO-HjmUJj0wLg", "q" * 255])
def test_valid_queue_name_is_accepted(name: str) -> None:
    assert topology.check_queue_name(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *NAMES_REFUSED,
        ("", " is empty; name the queue"),
        ("q" * 256, f" {'q' * 30!r}… has 256 characters; at most 255 are allowed"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_invalid_queue_name_is_refused(name: Any, said: str) -> None:
    with pytest.raises(BadQueue) as raised:
        topology.check_queue_name(name)
    assert str(raised.value) == "queue name" + said
    if name is not None:  # None asks for a server-generated name
        with pytest.raises(BadQueue) as raised:
            Queue.for_consumer(name)
        assert str(raised.value) == "queue name" + said


@pytest.mark.parametrize("name", ["amq.foo", "amq.", "amq.gen-JzTY20BRgKO-HjmUJj0wLg"])
def test_reserved_queue_name_cannot_be_declared(name: str) -> None:
    with pytest.raises(BadQueue) as raised:
        Queue.for_consumer(name)
    assert str(raised.value) == (
        f"queue name '{name}' begins with 'amq.', which RabbitMQ keeps for itself; choose another "
        "name"
    )


def test_named_consumer_queue_is_durable_and_shared() -> None:
    assert Queue.for_consumer("q") == Queue(
        "q", durable=True, exclusive=False, auto_delete=False, arguments={}
    )


def test_unnamed_consumer_queue_is_exclusive() -> None:
    assert Queue.for_consumer(None) == Queue(
        "", durable=False, exclusive=True, auto_delete=True, arguments={}
    )


@pytest.mark.parametrize("name", [None, "q"])
@pytest.mark.parametrize("exchange", ["dlx", "", "amq.fanout"])
def test_queue_can_dead_letter_to_any_exchange(name: str | None, exchange: str) -> None:
    assert Queue.for_consumer(name, exchange).dead_letter_exchange == exchange


@pytest.mark.parametrize("name", [None, "q"])
def test_invalid_dead_letter_exchange_is_refused(name: str | None) -> None:
    with pytest.raises(BadExchange, match=r"^exchange name 'é' holds 'é'"):
        Queue.for_consumer(name, "é")
    with pytest.raises(BadExchange, match=r"^exchange name must be a str, not int"):
        Queue.for_consumer(name, 7)  # type: ignore[arg-type]


# Routing keys


@pytest.mark.parametrize(
    "key", ["", "a.b", "#", "*", "é✓", "\n", "k" * 255, "é" * 127 + "k", "✓" * 85, "😀" * 63]
)
def test_routing_key_may_have_255_bytes(key: str) -> None:
    assert topology.check_routing_key(key) == key


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        (None, TypeError, "routing key must be a str, not NoneType"),
        (b"k", TypeError, "routing key must be a str, not bytes"),
        ("k" * 256, ValueError, f"routing key {'k' * 30!r}… has 256 bytes; at most 255 are all"),
        ("é" * 128, ValueError, f"routing key {'é' * 30!r}… has 256 bytes; at most 255 are all"),
        ("😀" * 64, ValueError, f"routing key {'😀' * 30!r}… has 256 bytes; at most 255 are all"),
        ("é" * 200, ValueError, f"routing key {'é' * 30!r}… has 400 bytes; at most 255 are all"),
        (
            HALF,
            ValueError,
            "routing key contains '\\ud800', a lone surrogate, which UTF-8 cannot encode",
        ),
        (
            "k" * 99 + HALF,
            ValueError,
            "routing key contains '\\ud800', a lone surrogate, which UTF-8",
        ),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_invalid_routing_key_is_refused(key: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        topology.check_routing_key(key)
    assert type(raised.value) is error
    assert str(raised.value).startswith(text)
    with pytest.raises(error, match="routing key"):
        topology.check_routing_keys(["good", key], topology.Exchange("e", "direct"))


@pytest.mark.parametrize(
    ("keys", "bound_by"),
    [
        ("a.b", ("a.b",)),
        ("", ("",)),
        ([""], ("",)),
        (["a", "b"], ("a", "b")),
        (("a", "b"), ("a", "b")),
        ((key for key in "ab"), ("a", "b")),
        ({"a": 1}, ("a",)),
        (["b", "a", "b"], ("b", "a")),
    ],
    ids=["str", "empty str", "default", "list", "tuple", "generator", "mapping", "repeated"],
)
def test_routing_keys_may_be_a_str_or_an_iterable(
    keys: str | Iterable[str], bound_by: tuple[str, ...]
) -> None:
    assert topology.check_routing_keys(keys, topology.Exchange("e", "direct")) == bound_by


@pytest.mark.parametrize("keys", [[], "k", [""], ["x", "y"], ["#.#.#"]])
def test_fanout_exchange_is_bound_once_for_any_keys(keys: str | list[str]) -> None:
    assert topology.check_routing_keys(keys, topology.Exchange("e", "fanout")) == ("",)


@pytest.mark.parametrize("kind", ["direct", "topic"])
def test_empty_routing_keys_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"^routing_keys is empty, so nothing would ever arrive"):
        topology.check_routing_keys([], topology.Exchange("e", kind))


@pytest.mark.parametrize("kind", ["direct", "fanout", "topic"])
@pytest.mark.parametrize("keys", [None, 7, b"k", [1], ["a", None]], ids=repr)
def test_routing_keys_of_wrong_type_are_refused(keys: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=r"^routing_keys must be a str or an iterable of str: "):
        topology.check_routing_keys(keys, topology.Exchange("e", kind))


@pytest.mark.parametrize("key", ["#.#", "a#.b#.c#", "##.##.##", ".".join("*" * 128)])
def test_topic_key_may_contain_two_hash_words(key: str) -> None:
    assert topology.check_routing_keys([key], topology.Exchange("e", "topic")) == (key,)


@pytest.mark.parametrize(("key", "hashes"), [("#.#.#", 3), ("#.a.#.b.#", 3), ("#.#.#.#", 4)])
def test_topic_key_with_three_hash_words_is_refused(key: str, hashes: int) -> None:
    with pytest.raises(ValueError, match="routing key") as raised:
        topology.check_routing_keys(["good", key], topology.Exchange("e", "topic"))
    assert str(raised.value) == (
        f"routing key '{key}' holds {hashes} '#' words; RabbitMQ allows at most 2"
    )
    assert topology.check_routing_keys([key], topology.Exchange("e", "direct")) == (key,)


# Prefetch


@pytest.mark.parametrize("count", [1, 100, 65535])
def test_valid_prefetch_count_is_accepted(count: int) -> None:
    assert topology.check_prefetch_count(count) == count


@pytest.mark.parametrize(
    ("count", "error", "text"),
    [
        (0, ValueError, "prefetch_count must be between 1 and 65535, not 0"),
        (-1, ValueError, "prefetch_count must be between 1 and 65535, not -1"),
        (65536, ValueError, "prefetch_count must be between 1 and 65535, not 65536"),
        (1.0, TypeError, "prefetch_count must be an int, not float"),
        ("1", TypeError, "prefetch_count must be an int, not str"),
        (True, TypeError, "prefetch_count must be an int, not bool"),
        (None, TypeError, "prefetch_count must be an int, not NoneType"),
    ],
)
def test_invalid_prefetch_count_is_refused(count: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        topology.check_prefetch_count(count)
    assert str(raised.value) == text
