"""Exchanges, queues, keys and prefetch counts: what may be, and how the rest is refused."""

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

# a name, and what is said of it after the noun
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
def test_a_name_that_an_exchange_may_have_can_be_published_to(name: str) -> None:
    assert topology.check_exchange_name(name) == name
    assert topology.check_exchange_name(name) == name  # remembered by now


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *NAMES_REFUSED,
        ("x" * 128, f" {'x' * 30!r}… has 128 characters; at most 127 are allowed"),
        ("x" * 10_000, f" {'x' * 30!r}… has 10000 characters; at most 127 are allowed"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_name_that_no_exchange_may_have_is_refused_every_time(name: Any, said: str) -> None:
    for act in (
        topology.check_exchange_name,
        topology.check_exchange_name,
        lambda name: Exchange(name, "topic"),
    ):
        with pytest.raises(BadExchange) as raised:
            act(name)
        assert str(raised.value) == "exchange name" + said


def test_what_rabbitmq_publishes_to_itself_cannot_be_published_to() -> None:
    with pytest.raises(BadExchange, match=r"'amq\.rabbitmq\.trace' is for RabbitMQ's own messages"):
        topology.check_exchange_name("amq.rabbitmq.trace")


def test_names_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered: set[str] = set()
    monkeypatch.setattr(topology, "_known_exchanges", remembered)
    for number in range(10_010):
        topology.check_exchange_name(f"e{number}")
    assert len(remembered) == 10_000
    assert topology.check_exchange_name("e10009") == "e10009"


# Exchanges


@pytest.mark.parametrize("kind", ["direct", "fanout", "topic"])
@pytest.mark.parametrize("name", NAMES_TAKEN)
def test_an_exchange_has_a_name_and_a_type_and_is_durable(name: str, kind: str) -> None:
    assert dataclasses.astuple(Exchange(name, kind)) == (name, kind, True, False, False, {})


def test_the_default_exchange_cannot_be_declared() -> None:
    with pytest.raises(BadExchange) as raised:
        Exchange("", "direct")
    assert str(raised.value) == "the default exchange '' exists already; give yours a name"


@pytest.mark.parametrize("name", ["amq.foo", "amq.", "amq.topic", "amq.gen-x"])
def test_an_exchange_name_that_rabbitmq_reserves_is_refused(name: str) -> None:
    with pytest.raises(BadExchange) as raised:
        Exchange(name, "topic")
    assert str(raised.value) == (
        f"exchange name '{name}' begins with 'amq.', which RabbitMQ keeps for itself; choose "
        "another name"
    )


@pytest.mark.parametrize("kind", ["nosuch", "", "TOPIC", "x-local-random", None, ["a"]])
def test_an_unknown_exchange_type_is_refused_with_the_choice_there_is(kind: Any) -> None:
    with pytest.raises(BadExchange) as raised:
        Exchange("e", kind)
    assert str(raised.value) == (
        f"exchange 'e' has the unknown type {kind!r}; choose one of direct, fanout, topic, headers"
    )


# Queues


@pytest.mark.parametrize("name", [*NAMES_TAKEN, "amq.gen-JzTY20BRgKO-HjmUJj0wLg", "q" * 255])
def test_a_name_that_a_queue_may_have_can_be_read_from(name: str) -> None:
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
def test_a_name_that_no_queue_may_have_is_refused(name: Any, said: str) -> None:
    with pytest.raises(BadQueue) as raised:
        topology.check_queue_name(name)
    assert str(raised.value) == "queue name" + said
    if name is not None:  # which asks for a name of the broker's
        with pytest.raises(BadQueue) as raised:
            Queue.for_consumer(name)
        assert str(raised.value) == "queue name" + said


@pytest.mark.parametrize("name", ["amq.foo", "amq.", "amq.gen-JzTY20BRgKO-HjmUJj0wLg"])
def test_a_queue_name_that_rabbitmq_reserves_cannot_be_declared(name: str) -> None:
    with pytest.raises(BadQueue) as raised:
        Queue.for_consumer(name)
    assert str(raised.value) == (
        f"queue name '{name}' begins with 'amq.', which RabbitMQ keeps for itself; choose another "
        "name"
    )


def test_a_consumer_s_queue_with_a_name_is_durable_and_shared() -> None:
    assert Queue.for_consumer("q") == Queue(
        "q", durable=True, exclusive=False, auto_delete=False, arguments={}
    )


def test_a_consumer_s_queue_without_a_name_is_exclusive_and_gone_with_it() -> None:
    assert Queue.for_consumer(None) == Queue(
        "", durable=False, exclusive=True, auto_delete=True, arguments={}
    )


@pytest.mark.parametrize("name", [None, "q"])
@pytest.mark.parametrize("exchange", ["dlx", "", "amq.fanout"])
def test_a_queue_may_dead_letter_to_any_exchange(name: str | None, exchange: str) -> None:
    assert Queue.for_consumer(name, exchange).dead_letter_exchange == exchange


@pytest.mark.parametrize("name", [None, "q"])
def test_a_dead_letter_exchange_has_a_name_that_an_exchange_may_have(name: str | None) -> None:
    with pytest.raises(BadExchange, match=r"^exchange name 'é' holds 'é'"):
        Queue.for_consumer(name, "é")
    with pytest.raises(BadExchange, match=r"^exchange name must be a str, not int"):
        Queue.for_consumer(name, 7)  # type: ignore[arg-type]


# Routing keys


@pytest.mark.parametrize(
    "key", ["", "a.b", "#", "*", "é✓", "\n", "k" * 255, "é" * 127 + "k", "✓" * 85, "😀" * 63]
)
def test_a_routing_key_is_any_text_of_up_to_255_bytes(key: str) -> None:
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
def test_a_routing_key_that_amqp_cannot_carry_is_refused(
    key: Any, error: type[Exception], text: str
) -> None:
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
def test_routing_keys_are_one_str_or_any_iterable_of_them(
    keys: str | Iterable[str], bound_by: tuple[str, ...]
) -> None:
    assert topology.check_routing_keys(keys, topology.Exchange("e", "direct")) == bound_by


@pytest.mark.parametrize("keys", [[], "k", [""], ["x", "y"], ["#.#.#"]])
def test_a_fanout_is_bound_once_whatever_the_keys(keys: str | list[str]) -> None:
    assert topology.check_routing_keys(keys, topology.Exchange("e", "fanout")) == ("",)


@pytest.mark.parametrize("kind", ["direct", "topic"])
def test_no_routing_key_at_all_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"^routing_keys is empty, so nothing would ever arrive"):
        topology.check_routing_keys([], topology.Exchange("e", kind))


@pytest.mark.parametrize("kind", ["direct", "fanout", "topic"])
@pytest.mark.parametrize("keys", [None, 7, b"k", [1], ["a", None]], ids=repr)
def test_routing_keys_of_another_kind_are_refused(keys: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=r"^routing_keys must be a str or an iterable of str: "):
        topology.check_routing_keys(keys, topology.Exchange("e", kind))


@pytest.mark.parametrize("key", ["#.#", "a#.b#.c#", "##.##.##", ".".join("*" * 128)])
def test_a_topic_key_may_hold_two_hash_words_and_any_number_of_other_words(key: str) -> None:
    assert topology.check_routing_keys([key], topology.Exchange("e", "topic")) == (key,)


@pytest.mark.parametrize(("key", "hashes"), [("#.#.#", 3), ("#.a.#.b.#", 3), ("#.#.#.#", 4)])
def test_a_topic_key_with_three_hash_words_is_refused_as_rabbitmq_4_3_would(
    key: str, hashes: int
) -> None:
    with pytest.raises(ValueError, match="routing key") as raised:
        topology.check_routing_keys(["good", key], topology.Exchange("e", "topic"))
    assert str(raised.value) == (
        f"routing key '{key}' holds {hashes} '#' words; RabbitMQ allows at most 2"
    )
    assert topology.check_routing_keys([key], topology.Exchange("e", "direct")) == (key,)


# Prefetch


@pytest.mark.parametrize("count", [1, 100, 65535])
def test_a_prefetch_count_is_any_number_that_amqp_can_carry(count: int) -> None:
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
def test_a_prefetch_count_that_cannot_be_is_refused(
    count: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as raised:
        topology.check_prefetch_count(count)
    assert str(raised.value) == text
