"""Hypothesis strategies for programs of methods: few names, so that they interact; some misuse."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any

from hypothesis import strategies as st

from mooq.parity.strategies import Pool, pool
from mooq.parity.wire.programs import (
    EVERYTHING,
    EXCHANGES,
    QUEUES,
    REPLY,
    Pause,
    Publish,
    Send,
    Settle,
    Typed,
    WireProgram,
)
from mooq.parity.wire.values import (
    ARGUMENTS,
    BINDINGS,
    LONG_TIME,
    ODD,
    OF_CONSUMERS,
    OF_EXCHANGES,
    OF_QUORUM,
    PROPERTIES,
    TIMES,
    USUAL,
)

LONGEST = 12

channels: Pool = pool([(0, 1), (0, 1), (1, 1), (0, 2), (1, 2)])
queues: Pool = pool(QUEUES, ["", "amq.mine"], 15)
known_queues: Pool = pool(["q1", "q2", "q1"], ["q3", "", "nobody"], 15)
exchanges: Pool = pool(EXCHANGES, ["", "amq.mine"], 15)
known_exchanges: Pool = pool(["x1", "x2", "x1"], ["x3", "", "nobody"], 15)
sources: Pool = pool(["x1", "x2"], ["x3", "amq.topic", "amq.headers", "", "nobody"], 14)
kinds: Pool = pool(
    ["topic", "fanout", "direct", "headers"], ["x-nothing", "", "x-local-random"], 15
)
keys: Pool = pool(["a", "a.b", "b", "#", "a.*", ""], ["*.b", "a.#.b", "k" * 255], 15)
targets: Pool = pool(["q1", "q2"], ["q3", "a", "", REPLY], 14)
bits: Pool = st.sampled_from([False, True])
rarely: Pool = st.sampled_from([False] * 7 + [True])
usually: Pool = st.sampled_from([True] * 7 + [False])


def some_of(values: dict[str, list[Any]], most: int) -> Pool:
    """Return a strategy for a few of these names, each with one of its values."""
    entries = st.sampled_from(sorted(values)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(values[name]))
    )
    return st.lists(entries, max_size=most).map(dict)


def send(method: str, **fields: Pool) -> Pool:
    """Return a strategy for steps that send a method."""

    def make(drawn: Any) -> Send:
        (connection, channel), values = drawn
        return Send(connection, channel, method, {n: v for n, v in values.items() if v})

    return st.tuples(channels, st.fixed_dictionaries(fields)).map(make)


def _is_short_time(argument: tuple[str, Any]) -> bool:
    """Return whether an argument is a time that passes while a program runs."""
    name, value = argument
    number = value.value if isinstance(value, Typed) else value
    return name in TIMES and isinstance(number, int | float) and 0 < number < LONG_TIME


odd_argument: Pool = (
    st.tuples(st.sampled_from(sorted(ARGUMENTS)), st.sampled_from(ODD))
    .filter(lambda one: not _is_short_time(one))
    .map(lambda one: dict([one]))
)
# Many declarations have no arguments, so that redeclarations succeed.
_arguments: Pool = st.one_of(
    st.just({}), some_of(ARGUMENTS, 3), st.one_of(some_of(ARGUMENTS, 3), odd_argument)
)
declare_queue: Pool = send(
    "queue.declare",
    queue=queues,
    durable=usually,
    exclusive=rarely,
    auto_delete=rarely,
    passive=rarely,
    arguments=_arguments,
)
declare_quietly: Pool = send(
    "queue.declare",
    queue=st.sampled_from(QUEUES),
    durable=usually,
    passive=rarely,
    nowait=st.just(True),
    arguments=_arguments,
)
declare_exchange: Pool = send(
    "exchange.declare",
    exchange=exchanges,
    type=kinds,
    durable=usually,
    auto_delete=rarely,
    internal=rarely,
    passive=rarely,
    nowait=rarely,
    arguments=pool([{}], OF_EXCHANGES, 11),
)
bind: Pool = send(
    "queue.bind",
    queue=known_queues,
    exchange=sources,
    routing_key=keys,
    nowait=rarely,
    arguments=st.sampled_from(BINDINGS),
)
unbind: Pool = send(
    "queue.unbind",
    queue=known_queues,
    exchange=sources,
    routing_key=keys,
    arguments=st.sampled_from(BINDINGS),
)
bind_exchange: Pool = send(
    "exchange.bind",
    destination=known_exchanges,
    source=sources,
    routing_key=keys,
    nowait=rarely,
    arguments=st.sampled_from(BINDINGS),
)
unbind_exchange: Pool = send(
    "exchange.unbind",
    destination=known_exchanges,
    source=sources,
    routing_key=keys,
    nowait=rarely,
    arguments=st.sampled_from(BINDINGS[:4]),
)
consume: Pool = send(
    "basic.consume",
    queue=known_queues,
    consumer_tag=pool(["c"], ["", "d"], 15),
    no_ack=rarely,
    no_local=rarely,
    exclusive=rarely,
    arguments=pool([{}], OF_CONSUMERS, 12),
)
consume_quietly: Pool = send(
    "basic.consume",
    queue=known_queues,
    consumer_tag=pool(["c", "d"]),
    no_ack=rarely,
    nowait=st.just(True),
)
consume_replies: Pool = send(
    "basic.consume",
    queue=st.just("amq.rabbitmq.reply-to"),
    consumer_tag=pool(["r", "c"]),
    no_ack=usually,
)


def _publish(drawn: Any) -> Publish:
    (connection, channel), (exchange, key), (mandatory, immediate), properties, body = drawn
    return Publish(connection, channel, exchange, key, body, mandatory, properties, immediate)


def _settle(drawn: Any) -> Settle:
    (connection, channel), method, index, multiple, requeue = drawn
    return Settle(connection, channel, method, index, multiple, requeue)


publish: Pool = st.tuples(
    channels,
    st.one_of(
        st.tuples(st.just(""), targets),
        st.tuples(known_exchanges, keys),
        st.tuples(known_exchanges, keys),
    ),
    pool([(False, False)], [(True, False)] * 10 + [(False, True)], 13),
    st.one_of(st.just({}), some_of(PROPERTIES, 3)),
    st.sampled_from(["m", "n", "long body", ""]),
).map(_publish)
settle: Pool = st.tuples(
    channels,
    pool(["basic.ack", "basic.nack", "basic.reject", "basic.ack"]),
    pool([0, 0, 1], [5, EVERYTHING], 14),
    rarely,
    bits,
).map(_settle)

unusual: Pool = pool(
    [
        *(Send(0, 2, "basic.cancel", {"consumer_tag": "c", "nowait": True}), Pause()),
        Send(0, 2, "basic.recover-async", {"requeue": True}),
        Send(1, 1, "basic.recover-async", {"requeue": True}),
        *(Send(0, 1, "confirm.select", {"nowait": True}), Send(0, 2, "channel.open")),
        *(Send(0, 1, "channel.flow"), Send(1, 1, "basic.qos", {"prefetch_size": 1})),
        Send(0, 2, "queue.purge", {"queue": "q1", "nowait": True}),
        Send(0, 2, "queue.delete", {"queue": "q2", "nowait": True}),
        Send(0, 2, "queue.delete", {"queue": "q1", "if_unused": True, "nowait": True}),
        Send(0, 1, "exchange.delete", {"exchange": "x2", "nowait": True}),
    ]
)
transactions: Pool = st.one_of(send("tx.select"), send("tx.commit"), send("tx.rollback"))
endings: Pool = pool([Send(1, 1, "connection.close", {"reply_code": 200}), Pause(), Pause()])
others: Pool = st.one_of(
    send("basic.qos", prefetch_count=pool([1, 2, 3, 0]), is_global=rarely),
    send("basic.cancel", consumer_tag=pool(["c"], ["nobody", "r"], 13)),
    send("basic.recover", requeue=usually),
    send("queue.purge", queue=known_queues),
    send("queue.delete", queue=known_queues, if_unused=rarely, if_empty=rarely),
    send("exchange.delete", exchange=sources, if_unused=rarely),
    send("confirm.select"),
    send("channel.close", reply_code=st.just(200)),
    st.one_of(unbind, bind_exchange, unbind_exchange),
    declare_exchange,
    st.one_of(declare_quietly, consume_quietly, consume_replies, unusual),
    transactions,
    endings,
)
get: Pool = send("basic.get", queue=known_queues, no_ack=bits)
# one_of() draws from all its branches alike, so the weights are in sampled_from().
steps: Pool = st.sampled_from(
    [*[publish] * 8, *[settle] * 5, *[get] * 2, *[consume] * 2, declare_queue, bind, *[others] * 3]
).flatmap(lambda chosen: chosen)


valid_arguments: Pool = st.one_of(st.just({}), some_of(USUAL, 3))
quorum_arguments: Pool = some_of(OF_QUORUM, 3).map(lambda one: {"x-queue-type": "quorum", **one})
valid_kinds: Pool = pool(["topic", "fanout", "direct", "headers"])


def at(channel_id: tuple[int, int], method: str, **fields: Pool) -> Pool:
    """Return a strategy for steps that send a method on one channel."""
    return st.fixed_dictionaries(fields).map(lambda values: Send(*channel_id, method, values))


def queue(name: str, arguments: Pool) -> Pool:
    """Return a strategy for declarations of a durable queue."""
    durable = st.just(True)
    return at((0, 1), "queue.declare", queue=st.just(name), durable=durable, arguments=arguments)


queue_1: Pool = queue("q1", valid_arguments)
queue_2: Pool = queue("q2", valid_arguments)
quorum_1: Pool = queue("q1", quorum_arguments)
quorum_2: Pool = queue("q2", st.one_of(valid_arguments, quorum_arguments))
exchange_1: Pool = at(
    (0, 1), "exchange.declare", exchange=st.just("x1"), type=valid_kinds, durable=st.just(True)
)
exchange_2: Pool = at(
    (0, 1), "exchange.declare", exchange=st.just("x2"), type=valid_kinds, durable=st.just(True)
)
bind_1: Pool = at(
    (0, 1),
    "queue.bind",
    queue=st.just("q1"),
    exchange=st.just("x1"),
    routing_key=keys,
    arguments=st.sampled_from([{}, {"h": 1}]),
)
bind_2: Pool = at((0, 1), "queue.bind", queue=known_queues, exchange=sources, routing_key=keys)
bind_3: Pool = at(
    (0, 1), "exchange.bind", destination=st.just("x2"), source=st.just("x1"), routing_key=keys
)
consume_1: Pool = at((1, 1), "basic.consume", queue=st.just("q1"), consumer_tag=st.just("c"))
consume_2: Pool = at(
    (0, 2), "basic.consume", queue=st.just("q2"), consumer_tag=st.just("c"), no_ack=rarely
)
small_prefetch: Pool = at((1, 1), "basic.qos", prefetch_count=pool([1, 2]))
confirm: Pool = at((0, 1), "confirm.select")


def _if_wanted(one: Pool, is_wanted: bool) -> Pool:
    return one if is_wanted else st.just(None)


def _setups(first: Pool, second: Pool) -> Pool:
    """Return a strategy for the declarations and consumers that most steps need."""
    often = st.sampled_from([True, True, True, False])
    rest = (
        *(second, exchange_1, exchange_2, bind_1, bind_2, bind_3, small_prefetch),
        *(consume_1, consume_2, confirm),
    )
    return st.tuples(first, *(often.flatmap(partial(_if_wanted, one)) for one in rest)).map(
        lambda drawn: tuple(one for one in drawn if one is not None)
    )


setups: Pool = _setups(queue_1, queue_2)
quorum_setups: Pool = _setups(quorum_1, quorum_2)


def wire_programs() -> st.SearchStrategy[WireProgram]:
    """Return a strategy for programs, which begin with a set-up."""
    # Several lists, since Hypothesis keeps a list short unless min_size is large.
    some = st.lists(steps, max_size=LONGEST)
    first = st.sampled_from([*[setups] * 3, quorum_setups]).flatmap(lambda chosen: chosen)
    return st.tuples(first, st.lists(steps, min_size=1, max_size=LONGEST), some, some).map(
        lambda drawn: tuple(chain.from_iterable(drawn))
    )
